package gpu

import "testing"

func TestWithoutSources(t *testing.T) {
	for text, want := range map[string]string{
		"Load model from a.onnx failed:Protobuf parsing failed.": "Load model from a.onnx failed:Protobuf parsing failed.",
		"failed:/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpsetForDomain(const std::unordered_map<std::__cxx11::basic_string<char>, int>&, bool, int) ONNX Runtime only *guarantees* support": "failed:ONNX Runtime only *guarantees* support",
		"/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:358 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory":                                                                                               "Failed to allocate memory",
		"/onnxruntime_src/a.cc:1 onnxruntime::X::operator()(int) const [with T = float; U = std::vector<int>] it (and that) failed":                                                                                                                           "it (and that) failed",
		"/onnxruntime_src/a.cc:1 no function": "no function",
		"/onnxruntime_src/a.cc:1 f(":          "f(",
	} {
		if got := withoutSources(text); got != want {
			t.Errorf("%s\ngave %s", text, got)
		}
	}
}
