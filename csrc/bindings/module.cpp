// The Python module. Only this folder includes pybind11: it checks what it is given, drops the GIL
// and calls the kernels.
#include "arrays.hpp"

PYBIND11_MODULE(_kernels, m) {
    m.doc() = "The C++ kernels of edge-guard; documented in _kernels.pyi.";
    eg::simd_level();  // a wrong EDGE_GUARD_SIMD fails the import, by name
    m.attr("SIMD_LEVELS") = pybind11::tuple(pybind11::cast(eg::simd_levels()));
    m.attr("STATISTICS") = pybind11::tuple(pybind11::cast(eg::kStatistics));
    m.attr("LEVELS") = pybind11::tuple(pybind11::cast(eg::kLevels));
    m.attr("CELLS") = eg::kCells;
    m.def("simd_level", &eg::simd_level);
    m.def("set_simd_level", &eg::set_simd_level, pybind11::arg("level"));
    eg::bindings::bind_image(m);
    eg::bindings::bind_scorer(m);
    eg::bindings::bind_drift(m);
}
