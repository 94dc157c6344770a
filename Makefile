# make demo and make test are all that a newcomer needs; both install what is
# missing first.

CACHE   := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/micodata
GOBIN   := $(CACHE)/bin
LINT    := $(GOBIN)/golangci-lint
LINT_VERSION := v2.15.0
S3      := $(GOBIN)/versitygw
S3_VERSION := v1.8.0
VENV    := $(CACHE)/consumers-venv
READERS := $(CACHE)/examples-venv
V2D     := $(CACHE)/video2dataset-venv
EXPORT  := $(CACHE)/export-venv
SAMPLES := testdata/media

.PHONY: setup setup-gpu setup-s3 build test unit test-gpu tidy lint nocgo consumers test-consumers demo bench bench-label bench-read bench-write bench-video2dataset parity soak fuzz golden export-env test-export clean

# go knows what has changed, embedded models and templates too.
build:
	go build -trimpath -o bin/micodata ./cmd/micodata

setup:
	@tools/setup/system.sh
	@tools/setup/onnxruntime.sh

# ONNX Runtime with CUDA, for NVIDIA cards: 1.4 GB.
setup-gpu:
	@tools/setup/gpu.sh

# The S3 server that tests run against (versitygw over a folder).
setup-s3: $(S3)

$(S3):
	GOBIN=$(GOBIN) go install github.com/versity/versitygw/cmd/versitygw@$(S3_VERSION)

# Everything that CI runs.
test: setup setup-s3 tidy build lint nocgo unit consumers

tidy:
	go mod tidy -diff

lint: $(LINT)
	$(LINT) run ./...

$(LINT):
	GOBIN=$(GOBIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

# The binary also builds, and says what it lacks, where there is no C compiler.
nocgo:
	CGO_ENABLED=0 go build -o /dev/null ./cmd/micodata

unit:
	go test -race -timeout 40m ./...

# What runs models, on a GPU of this machine.
test-gpu: setup setup-gpu
	TEST_DEVICE=cuda go test -count 1 ./gpu ./pseudolabel/...

# Finished sets, read by the examples: what needs no PyTorch, from a folder and from S3.
consumers: build $(S3) $(VENV)/ready
	tools/consumers/run.sh bin/micodata $(VENV)/bin/python $(SAMPLES)

# All examples, also with PyTorch, torchcodec and Spark (which wants Java): 7 GB, for PyTorch brings CUDA along.
test-consumers: setup build $(S3) $(READERS)/ready
	tools/consumers/run.sh bin/micodata $(READERS)/bin/python $(SAMPLES) --full

# Clean whenever another version is asked for.
$(VENV)/ready: examples/requirements.txt
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(READERS)/ready: examples/requirements-full.txt examples/requirements.txt
	python3 -m venv --clear $(READERS)
	$(READERS)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# From raw video to a checked training set.
demo: setup build
	bin/micodata run $(SAMPLES) -o demo
	bin/micodata verify demo --sample 1
	@echo
	@echo 'The set is in demo/: read demo/README.md, look at demo/assets/, and load it with'
	@echo '  python3 -c "import datasets; print(datasets.load_dataset(\"parquet\", data_files=\"demo/data/train-*.parquet\")[\"train\"])"'

bench: setup build
	go build -trimpath -o bin/cuts ./tools/bench/cuts
	python3 tools/bench/bench.py bin/micodata $(SAMPLES) --cuts bin/cuts --hour

# micodata beside video2dataset's exact path (its pins want Python 3.11).
bench-video2dataset: setup build $(V2D)/ready
	python3 tools/bench/video2dataset/compare.py bin/micodata $(SAMPLES) --python $(V2D)/bin/python

$(V2D)/ready: tools/bench/video2dataset/requirements.txt
	python3.11 -m venv $(V2D)
	$(V2D)/bin/pip install --quiet --disable-pip-version-check --no-deps -r tools/bench/video2dataset/requirements.txt
	touch $@

# Writing a shard, beside pyarrow and dd (some 3 minutes, 2.5 GB of disk).
bench-write: setup $(VENV)/ready
	go build -trimpath -o bin/write ./tools/bench/write
	$(VENV)/bin/python tools/bench/write/write.py bin/write

# Reading from S3 into PyTorch: the Parquet set, WebDataset tars and loose files (some 15 minutes).
bench-read: setup build $(S3) $(READERS)/ready
	$(READERS)/bin/python tools/bench/read/read.py bin/micodata $(SAMPLES)

# 50 times kill -9 while a set is written to S3 over a bad connection, and 10 times one whose shards are uploaded in parts.
soak: setup setup-s3
	TEST_KILLS=50 go test ./cmd/micodata -run KilledOnS3 -count 1 -timeout 60m -v

fuzz:
	tools/fuzz.sh 30s

# Golden cut lists, made by the real PySceneDetect (its pins want Python 3.11).
golden:
	python3.11 -m venv $(CACHE)/golden-venv
	$(CACHE)/golden-venv/bin/pip install --quiet -r tools/golden/requirements.txt
	$(CACHE)/golden-venv/bin/python tools/golden/make.py

# The environment of tools/export: 6 GB, for PyTorch brings CUDA along.
export-env: $(EXPORT)/ready

$(EXPORT)/ready: tools/export/requirements.txt
	python3.11 -m venv $(EXPORT)
	$(EXPORT)/bin/pip install --quiet --disable-pip-version-check -r tools/export/requirements.txt
	touch $@

# The Python side of the models: exports against PyTorch, wrong checkpoints, the committed goldens.
test-export: export-env
	cd tools/export && $(EXPORT)/bin/python -m pytest -q -p no:cacheprovider test_export.py

# micodata's maps beside PyTorch's through full-size networks: some minutes, 2 GB.
parity: setup build export-env
	cd tools/export && $(EXPORT)/bin/python -W ignore parity.py ../../bin/micodata

# Depth and normals: PyTorch, ONNX Runtime and the whole labeler, on this machine's GPU, or its CPU if it has none (some 20 minutes).
bench-label: setup build export-env
	tools/bench/label/run.sh $(EXPORT)/bin/python $(CACHE)/bench

clean:
	rm -rf bin demo
