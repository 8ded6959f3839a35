#!/bin/sh
# Makes everything in models/ anew: classifier, footage, bundle. Minutes, two cores.
# Training needs PyTorch (pip install torch==2.13.0); the rest needs edge-guard[calibrate].
#   tools/build_demo.sh          all of it
#   tools/build_demo.sh bundle   only the bundle, of the model that is there
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
references=build/demo-references

if [ "${1:-all}" = all ]; then
    "$python" tools/demo_model models
    "$python" tools/line_simulator footage models/footage.avi models/events.json --seed 42
fi
rm -rf "$references"
"$python" tools/line_simulator parts "$references" --good 600 --defective 120 --seed 7
"$python" -m edge_guard.cli.main calibrate models/demo_line.onnx \
    --reference "$references" -o models/demo_line.guard
