// Bindings of the image statistics and of the input gate's checks.
#include <algorithm>

#include "arrays.hpp"

namespace eg::bindings {

eg::Image image_of(const py::array& image) {
    constexpr std::size_t kMinSide = 16;
    const bool colour = image.ndim() == 3 && image.shape(2) == 3;
    const auto side = [&](int axis) { return static_cast<std::size_t>(image.shape(axis)); };
    if (!py::isinstance<py::array_t<std::uint8_t>>(image) || !(colour || image.ndim() == 2) ||
        std::min(side(0), side(1)) < kMinSide || std::max(side(0), side(1)) > eg::kMaxSide) {
        refuse("image",
               "uint8 (H, W, 3) or (H, W) with H and W from 16 to " + std::to_string(eg::kMaxSide),
               image);
    }
    return {static_cast<const std::uint8_t*>(image.data()),
            side(0),
            side(1),
            colour ? 3u : 1u,
            image.strides(0),
            image.strides(1),
            colour ? image.strides(2) : 0};
}

namespace {

std::uint64_t image_statistics(const py::array& image, py::array statistics, py::array cells) {
    const eg::Image view = image_of(image);
    auto* values = output<float>(statistics, "statistics",
                                 eg::kStatistics.size() + eg::kLevels.size());
    auto* grid = output<float>(cells, "cells", 2 * eg::kCells * eg::kCells);
    const py::gil_scoped_release release;
    return eg::image_statistics(view, values, grid);
}

bool within(const py::array& values, const py::array& columns, const py::array& low,
            const py::array& high) {
    const auto n = static_cast<std::size_t>(columns.size());
    const auto* at = input<std::int32_t>(columns, "columns", n);
    for (std::size_t i = 0; i < n; ++i)
        if (at[i] < 0 || at[i] >= values.size()) refuse("columns", "indices of values", columns);
    const auto* v = input<float>(values, "values", static_cast<std::size_t>(values.size()));
    return eg::within(v, at, input<double>(low, "low", n), input<double>(high, "high", n), n);
}

}  // namespace

void bind_image(py::module_& m) {
    constexpr std::size_t kN = eg::kCells * eg::kCells;
    using Array = const py::array&;
    m.def("image_statistics", &image_statistics, "image"_a, "statistics"_a, "cells"_a);
    m.def("within", &within, "values"_a, "columns"_a, "low"_a, "high"_a);
    m.def("scene_light", [](Array means, Array center, Array spread, double floor) {
        const double* c = input<double>(center, "center", kN);
        const double* s = input<double>(spread, "spread", kN);
        const auto light = eg::scene_light(input<float>(means, "means", kN), c, s, floor);
        return py::make_tuple(light.shift, light.worst);
    }, "means"_a, "center"_a, "spread"_a, "floor"_a);
    m.def("median_change", [](Array a, Array b) {
        return eg::median_change(input<float>(a, "a", kN), input<float>(b, "b", kN));
    }, "a"_a, "b"_a);
}

}  // namespace eg::bindings
