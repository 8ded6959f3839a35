// The Python module: checks what it is given, drops the GIL, calls the kernels.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>

#include "drift.hpp"
#include "kernels.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace {

using eg::Dtype;
using eg::Matrix;

const char* dtype_name(Dtype dtype) {
    return dtype == Dtype::float32 ? "float32" : dtype == Dtype::int8 ? "int8" : "uint8";
}

Dtype parse_dtype(const std::string& name) {
    for (const Dtype dtype : {Dtype::float32, Dtype::int8, Dtype::uint8}) {
        if (name == dtype_name(dtype)) return dtype;
    }
    throw py::value_error("dtype: expected float32, int8 or uint8, got '" + name + "'");
}

std::string shape_of(const py::array& array) {
    std::string text = "(";
    for (py::ssize_t i = 0; i < array.ndim(); ++i) text += std::to_string(array.shape(i)) + ", ";
    if (array.ndim() > 0) text.resize(text.size() - (array.ndim() > 1 ? 2 : 1));
    return text + ")";
}

[[noreturn]] void refuse(const std::string& name, const std::string& expected,
                         const py::array& got) {
    throw py::value_error(name + ": expected " + expected + ", got " +
                          py::cast<std::string>(py::str(got.dtype())) + " of shape " +
                          shape_of(got) +
                          ((got.flags() & py::array::c_style) != 0 ? "" : ", not C-contiguous"));
}

template <typename T>
bool plain(const py::array& array) {
    constexpr int kAligned = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    return py::isinstance<py::array_t<T>>(array) && (array.flags() & py::array::c_style) != 0 &&
           (array.flags() & kAligned) != 0;
}

template <typename T>
std::string plain_name() {
    return "C-contiguous " + py::cast<std::string>(py::str(py::dtype::of<T>()));
}

template <typename T>
const T* input(const py::array& array, const std::string& name, std::size_t size) {
    if (!plain<T>(array) || static_cast<std::size_t>(array.size()) != size) {
        refuse(name, plain_name<T>() + " with " + std::to_string(size) + " values", array);
    }
    return static_cast<const T*>(array.data());
}

template <typename T>
T* output(py::array& array, const std::string& name, std::size_t size) {
    input<T>(array, name, size);
    if (!array.writeable()) throw py::value_error(name + ": expected a writeable array");
    return static_cast<T*>(array.mutable_data());
}

const void* buffer(const py::array& array, const std::string& name, const eg::Tensor& tensor) {
    const std::size_t size = tensor.height * tensor.width * tensor.channels;
    switch (tensor.dtype) {
        case Dtype::float32:
            return input<float>(array, name, size);
        case Dtype::int8:
            return input<std::int8_t>(array, name, size);
        case Dtype::uint8:
            return input<std::uint8_t>(array, name, size);
    }
    return nullptr;
}

template <typename T>
std::vector<T> vector_of(const std::optional<py::array>& array, const char* name) {
    if (!array || array->size() == 0) return {};
    if (!plain<T>(*array) || array->ndim() != 1) refuse(name, plain_name<T>() + " (n,)", *array);
    const T* values = static_cast<const T*>(array->data());
    return std::vector<T>(values, values + array->size());
}

Matrix matrix_of(const std::optional<py::array>& array, const char* name) {
    if (!array || array->size() == 0) return {};
    if (!plain<float>(*array) || array->ndim() != 2) {
        refuse(name, plain_name<float>() + " (rows, columns)", *array);
    }
    const auto* values = static_cast<const float*>(array->data());
    return {{values, values + array->size()},
            static_cast<std::size_t>(array->shape(0)),
            static_cast<std::size_t>(array->shape(1))};
}

std::size_t at_least(py::ssize_t least, py::ssize_t value, const char* name) {
    if (value >= least) return static_cast<std::size_t>(value);
    throw py::value_error(std::string(name) + ": expected at least " + std::to_string(least) +
                          ", got " + std::to_string(value));
}

eg::Tensor make_tensor(const std::string& dtype, py::ssize_t height, py::ssize_t width,
                       py::ssize_t channels, bool channels_last, double scale,
                       std::int32_t zero_point) {
    return {parse_dtype(dtype),
            at_least(1, height, "height"),
            at_least(1, width, "width"),
            at_least(1, channels, "channels"),
            channels_last,
            scale,
            zero_point};
}

std::shared_ptr<eg::View> make_view(std::int64_t source, py::ssize_t normalize,
                                    std::optional<py::array> scale, std::optional<py::array> means,
                                    std::optional<py::array> basis, std::optional<py::array> gain,
                                    double perp, std::optional<py::array> bank,
                                    std::optional<py::array> center,
                                    std::optional<py::array> contrast,
                                    std::optional<py::array> columns) {
    return std::make_shared<eg::View>(
        source, at_least(0, normalize, "normalize"), vector_of<float>(scale, "scale"),
        matrix_of(means, "means"), matrix_of(basis, "basis"), vector_of<float>(gain, "gain"), perp,
        matrix_of(bank, "bank"), vector_of<float>(center, "center"),
        vector_of<float>(contrast, "contrast"), vector_of<std::int32_t>(columns, "columns"));
}

eg::Patches make_patches(py::ssize_t tap, const py::array& basis, const py::array& offset,
                         std::optional<py::array> bank, py::ssize_t top,
                         std::optional<py::array> gain) {
    return {at_least(0, tap, "tap"),  matrix_of(basis, "basis"), vector_of<float>(offset, "offset"),
            matrix_of(bank, "bank"), at_least(1, top, "top"),   vector_of<float>(gain, "gain")};
}

eg::Fusion make_fusion(const py::array& center, const py::array& spread, const py::array& weight,
                       const py::array& tail, const py::array& knee, double top1, double top3,
                       const py::array& calibration, std::optional<py::array> solo) {
    eg::Fusion fusion{vector_of<double>(center, "center"),
                      vector_of<double>(spread, "spread"),
                      vector_of<double>(weight, "weight"),
                      vector_of<double>(tail, "tail"),
                      vector_of<double>(knee, "knee"),
                      top1,
                      top3,
                      vector_of<double>(calibration, "calibration"),
                      vector_of<double>(solo, "solo")};
    fusion.validate();
    return fusion;
}

// A Scorer with the buffers of one Python call.
class BoundScorer {
public:
    BoundScorer(const eg::Tensor* logits, bool probabilities, double temperature, double gamma,
                py::ssize_t top, std::vector<eg::Tensor> taps, py::ssize_t n_statistics,
                const std::vector<std::shared_ptr<eg::View>>& views, const eg::Fusion* fusion,
                const eg::Patches* patches)
        : scorer_(logits, {probabilities, temperature, gamma, at_least(1, top, "top")},
                  std::move(taps), at_least(0, n_statistics, "n_statistics"),
                  {views.begin(), views.end()}, fusion, patches),
          pointers_(scorer_.taps().size()) {}

    const eg::Scorer& scorer() const { return scorer_; }

    void score(const std::optional<py::array>& logits, const py::tuple& taps,
               const py::array& statistics, py::array values, py::array indices) {
        const Turn turn(busy_);
        if (logits.has_value() != scorer_.has_logits()) {
            throw py::value_error(scorer_.has_logits()
                                      ? "logits: expected an array, got None"
                                      : "logits: expected None, as at construction");
        }
        const void* logit_data = logits ? buffer(*logits, "logits", scorer_.logits()) : nullptr;
        const float* statistic_data = inputs(taps, statistics);
        auto* value_data = output<double>(values, "values", scorer_.n_scores() + 3);
        auto* index_data = output<std::int32_t>(indices, "indices", scorer_.n_indices());
        const py::gil_scoped_release release;
        scorer_.score(logit_data, pointers_.data(), statistic_data, value_data, index_data);
    }

    void embed(const py::tuple& taps, const py::array& statistics, py::array out) {
        const Turn turn(busy_);
        const float* statistic_data = inputs(taps, statistics);
        std::size_t size = 0;
        for (const std::size_t dim : scorer_.embedding_sizes()) size += dim;
        auto* out_data = output<float>(out, "out", size);
        const py::gil_scoped_release release;
        scorer_.embed(pointers_.data(), statistic_data, out_data);
    }

    void describe(const py::tuple& taps, py::array out) {
        const Turn turn(busy_);
        load_taps(taps);
        const eg::PatchMap& map = patch_map();
        auto* out_data = output<float>(out, "out", map.size() * map.dim());
        const py::gil_scoped_release release;
        scorer_.describe(pointers_.data(), out_data);
    }

    void distances(py::array out) {
        const Turn turn(busy_);
        const std::vector<float>& last = patch_map().distances();
        std::copy(last.begin(), last.end(), output<float>(out, "out", last.size()));
    }

private:
    const eg::PatchMap& patch_map() const {
        if (scorer_.patches() == nullptr) throw py::value_error("this Scorer has no patches");
        return *scorer_.patches();
    }

    // The buffers serve one call at a time; a second thread is told so instead of mixing frames.
    class Turn {
    public:
        explicit Turn(std::atomic_flag& busy) : busy_(busy) {
            if (busy_.test_and_set())
                throw std::runtime_error("this Scorer is in use by another thread");
        }
        ~Turn() { busy_.clear(); }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

    private:
        std::atomic_flag& busy_;
    };

    const float* inputs(const py::tuple& taps, const py::array& statistics) {
        load_taps(taps);
        return input<float>(statistics, "statistics", scorer_.n_statistics());
    }

    void load_taps(const py::tuple& taps) {
        if (taps.size() != pointers_.size()) {
            throw py::value_error("taps: expected " + std::to_string(pointers_.size()) +
                                  " arrays, got " + std::to_string(taps.size()));
        }
        for (std::size_t t = 0; t < pointers_.size(); ++t) {
            const std::string name = "taps[" + std::to_string(t) + "]";
            if (!py::isinstance<py::array>(taps[t]))
                throw py::value_error(name + ": expected an array");
            pointers_[t] =
                buffer(py::reinterpret_borrow<py::array>(taps[t]), name, scorer_.taps()[t]);
        }
    }

    eg::Scorer scorer_;
    std::vector<const void*> pointers_;
    std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

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

void bind_gate(py::module_& m) {
    constexpr std::size_t kN = eg::kCells * eg::kCells;
    using Array = const py::array&;
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

// ---- drift: a few dozen numbers a frame, too short to give the GIL away for ---------------------

template <typename T>
T* inout(const py::array& array, const char* name, std::size_t size) {
    py::array shared = array;
    return output<T>(shared, name, size);
}

class BoundReader {
public:
    BoundReader(const py::array& center, const py::array& weights, const py::array& picture,
                const py::array& registration, const py::array& picked, const py::array& order)
        : reader_({vector_of<double>(center, "center"), vector_of<double>(weights, "weights"),
                   vector_of<float>(picture, "picture"),
                   matrix_of(registration, "registration").values,
                   vector_of<std::int32_t>(picked, "picked")}),
          picked_most_(*std::max_element(picked_begin(picked), picked_begin(picked) + kPicked)),
          order_(vector_of<std::int32_t>(order, "order")) {
        for (const std::int32_t index : order_) {
            if (index < 0 || index >= static_cast<std::int32_t>(eg::drift::kImageChannels)) {
                throw py::value_error("order: expected indices of image channels");
            }
        }
    }

    // row: image channels by `order`, others, statistics, cells. True where the channels are those
    // that the row held before: the same frame again.
    bool read(const std::optional<py::array>& image, const py::array& statistics,
              const py::array& cells, const py::tuple& others, const py::array& row) const {
        const std::size_t n = reader_.cells(), known = order_.size() + others.size();
        const auto s = static_cast<std::size_t>(statistics.size());
        const float* statistic = input<float>(statistics, "statistics", s);
        if (s <= static_cast<std::size_t>(picked_most_)) {
            refuse("statistics", "at least " + std::to_string(picked_most_ + 1) + " values",
                   statistics);
        }
        const float* cell = input<float>(cells, "cells", 2 * n);
        const auto size = static_cast<std::size_t>(row.size());
        auto* out = inout<double>(row, "row", size);
        if (size < known + 2 * n || size - known - 2 * n > s) {
            refuse("row", "channels, statistics and cells", row);
        }
        double values[eg::drift::kImageChannels];
        reader_.read(image ? image_of(*image) : eg::Image{}, statistic, cell, values);
        bool same = true;
        const auto put = [&](std::size_t i, double value) {
            same = same && std::memcmp(&out[i], &value, sizeof value) == 0;
            out[i] = value;
        };
        for (std::size_t i = 0; i < order_.size(); ++i) {
            put(i, values[static_cast<std::size_t>(order_[i])]);
        }
        for (std::size_t i = order_.size(); i < known; ++i) {
            put(i, py::cast<double>(others[i - order_.size()]));
        }
        std::copy(statistic, statistic + (size - known - 2 * n), out + known);
        std::copy(cell, cell + 2 * n, out + size - 2 * n);
        return same;
    }

private:
    static constexpr std::size_t kPicked = eg::drift::kPicked;
    static const std::int32_t* picked_begin(const py::array& picked) {
        return input<std::int32_t>(picked, "picked", kPicked);
    }

    eg::drift::Reader reader_;
    std::int32_t picked_most_;
    std::vector<std::int32_t> order_;
};

bool step_charts(const py::array& x, double frame, double clip, const py::array& channel,
                 const py::array& column, const py::array& before, const py::array& columns) {
    const auto k = static_cast<std::size_t>(x.size());
    const std::size_t width = 2 * k, rows = k ? static_cast<std::size_t>(column.size()) / width : 0;
    const std::size_t n = rows >= 2 ? (rows - 2) / 3 : 0;
    return eg::drift::step_charts(
        {k, n, input<double>(channel, "channel", 3 * k),
         input<double>(column, "column", (3 * n + 2) * width), clip},
        input<double>(x, "x", k), frame, inout<double>(before, "before", k),
        inout<double>(columns, "columns", (2 * n + 2) * width));
}

bool step_ranks(const py::array& x, const py::array& block, const py::array& edge,
                const py::array& anew, const py::array& bets, const py::array& uniform,
                const py::array& sums, const py::array& weights, const py::array& wealth) {
    const auto k = static_cast<std::size_t>(x.size()), b = static_cast<std::size_t>(bets.size());
    const std::size_t e = k ? static_cast<std::size_t>(edge.size()) / k : 0;
    return eg::drift::step_ranks(
        {k, e, b, input<double>(block, "block", k), input<double>(edge, "edge", k * e),
         input<double>(anew, "anew", k), input<double>(bets, "bets", b),
         input<double>(uniform, "uniform", k)},
        input<double>(x, "x", k), inout<double>(sums, "sums", 2 * k),
        inout<double>(weights, "weights", k * (e + 1)), inout<double>(wealth, "wealth", k * b));
}

void add_to_history(py::ssize_t frames, const py::array& values, const py::array& usual,
                    const py::array& total, const py::array& fine, const py::array& coarse) {
    const auto v = static_cast<std::size_t>(values.size());
    eg::drift::add_to_history(v, at_least(0, frames, "frames"), input<double>(values, "values", v),
                              input<double>(usual, "usual", v), inout<double>(total, "total", v),
                              inout<double>(fine, "fine", eg::drift::kRecent * v),
                              inout<double>(coarse, "coarse", eg::drift::kRecent * v));
}

void settle(const py::array& x, const py::array& mean, const py::array& sd,
            const py::array& before, const py::array& sums) {
    const auto k = static_cast<std::size_t>(x.size());
    eg::drift::settle(k, input<double>(x, "x", k), input<double>(mean, "mean", k),
                      input<double>(sd, "sd", k), inout<double>(before, "before", k),
                      inout<double>(sums, "sums", 4 * k));
}

void bind_drift(py::module_& m) {
    m.attr("DRIFT_CHANNELS") = eg::drift::kImageChannels;
    py::class_<BoundReader>(m, "DriftReader")
        .def(py::init<const py::array&, const py::array&, const py::array&, const py::array&,
                      const py::array&, const py::array&>(),
             py::arg("center"), py::arg("weights"), py::arg("picture"), py::arg("registration"),
             py::arg("picked"), py::arg("order"))
        .def("read", &BoundReader::read, py::arg("image").none(true), py::arg("statistics"),
             py::arg("cells"), py::arg("others"), py::arg("row"));
    m.def("step_charts", &step_charts, py::arg("x"), py::arg("frame"), py::arg("clip"),
          py::arg("channel"), py::arg("column"), py::arg("before"), py::arg("columns"));
    m.def("step_ranks", &step_ranks, py::arg("x"), py::arg("block"), py::arg("edge"),
          py::arg("anew"), py::arg("bets"), py::arg("uniform"), py::arg("sums"),
          py::arg("weights"), py::arg("wealth"));
    m.def("normal_quantile", &eg::drift::normal_quantile, py::arg("p"));
    m.def("add_to_history", &add_to_history, py::arg("frames"), py::arg("values"),
          py::arg("usual"), py::arg("total"), py::arg("fine"), py::arg("coarse"));
    m.def("settle", &settle, py::arg("x"), py::arg("mean"), py::arg("sd"), py::arg("before"),
          py::arg("sums"));
}

void bind_scorer(py::module_& m) {
    py::class_<eg::Tensor>(m, "Tensor")
        .def(py::init(&make_tensor), "dtype"_a, "height"_a, "width"_a, "channels"_a,
             "channels_last"_a = true, "scale"_a = 1.0, "zero_point"_a = 0);
    py::class_<eg::View, std::shared_ptr<eg::View>>(m, "View").def(
        py::init(&make_view), "source"_a, "normalize"_a = 0, "scale"_a = py::none(),
        "means"_a = py::none(), "basis"_a = py::none(), "gain"_a = py::none(), "perp"_a = 0.0,
        "bank"_a = py::none(), "center"_a = py::none(), "contrast"_a = py::none(),
        "columns"_a = py::none());
    py::class_<eg::Patches>(m, "Patches")
        .def(py::init(&make_patches), "tap"_a, "basis"_a, "offset"_a, "bank"_a = py::none(),
             "top"_a = 1, "gain"_a = py::none());
    py::class_<eg::Fusion>(m, "Fusion")
        .def(py::init(&make_fusion), "center"_a, "spread"_a, "weight"_a, "tail"_a, "knee"_a,
             "top1"_a, "top3"_a, "calibration"_a, "solo"_a = py::none());
    py::class_<BoundScorer>(m, "Scorer")
        .def(py::init<const eg::Tensor*, bool, double, double, py::ssize_t, std::vector<eg::Tensor>,
                      py::ssize_t, const std::vector<std::shared_ptr<eg::View>>&,
                      const eg::Fusion*, const eg::Patches*>(),
             "logits"_a.none(true), "probabilities"_a, "temperature"_a, "gamma"_a, "top"_a,
             "taps"_a, "n_statistics"_a, "views"_a, "fusion"_a.none(true),
             "patches"_a.none(true) = py::none())
        .def_property_readonly("n_scores",
                               [](const BoundScorer& s) { return s.scorer().n_scores(); })
        .def_property_readonly("n_indices",
                               [](const BoundScorer& s) { return s.scorer().n_indices(); })
        .def_property_readonly(
            "embedding_sizes",
            [](const BoundScorer& s) { return py::tuple(py::cast(s.scorer().embedding_sizes())); })
        .def("score", &BoundScorer::score, "logits"_a.none(true), "taps"_a,
             "statistics"_a, "values"_a, "indices"_a)
        .def("embed", &BoundScorer::embed, "taps"_a, "statistics"_a, "out"_a)
        .def("describe", &BoundScorer::describe, "taps"_a, "out"_a)
        .def("distances", &BoundScorer::distances, "out"_a);
}

}  // namespace

PYBIND11_MODULE(_kernels, m) {
    m.doc() = "The C++ kernels of edge-guard; documented in _kernels.pyi.";
    eg::simd_level();  // a wrong EDGE_GUARD_SIMD fails the import, by name
    m.attr("SIMD_LEVELS") = py::tuple(py::cast(eg::simd_levels()));
    m.attr("STATISTICS") = py::tuple(py::cast(eg::kStatistics));
    m.attr("LEVELS") = py::tuple(py::cast(eg::kLevels));
    m.attr("CELLS") = eg::kCells;
    m.def("simd_level", &eg::simd_level);
    m.def("set_simd_level", &eg::set_simd_level, py::arg("level"));
    m.def("image_statistics", &image_statistics, "image"_a, "statistics"_a, "cells"_a);
    bind_gate(m);
    bind_scorer(m);
    bind_drift(m);
}
