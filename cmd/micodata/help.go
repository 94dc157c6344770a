package main

// settingHelp describes every setting, by its key in the settings file. One text
// serves all commands that have the setting.
var settingHelp = map[string]string{
	"workers":           "sources worked on at once (default: one a core)",
	"temp_dir":          "where raw frames too many for memory wait (default: the system's)",
	"allow_failures":    "exit 0 even if some sources or clips failed",
	"part_sources":      "sources in a part, the unit of commit and resume",
	"model":             "model that estimates depth and normals",
	"labels":            "what to label: depth, normal",
	"model_dir":         "further folders of models",
	"device":            "auto, cpu, cuda or cuda:N",
	"ort_lib":           "ONNX Runtime's library (default: ORT_LIB, else where make setup puts it)",
	"url_col":           "table column with the media's URL or path",
	"id_col":            "table column with the source's id",
	"text_col":          "table column with a caption",
	"title_col":         "table column with the title",
	"license_col":       "table column with the licence",
	"clips_col":         "table column with the spans to cut",
	"allow_private":     "fetch from private and loopback addresses too",
	"copy":              "take local media into the dataset instead of referencing it",
	"sidecars":          "take subtitles and texts that lie beside local media",
	"max_source_bytes":  "largest source",
	"max_sidecar_bytes": "largest file beside a source",
	"max_pixels":        "most pixels of one picture, width times height",
	"max_seconds":       "longest source, seconds",
}
