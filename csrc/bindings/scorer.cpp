// Bindings of the fused call of a frame: its parts, and the Scorer with the buffers of one call.
#include <atomic>
#include <memory>

#include "arrays.hpp"

namespace eg::bindings {
namespace {

const char* dtype_name(eg::Dtype dtype) {
    return dtype == eg::Dtype::float32 ? "float32" : dtype == eg::Dtype::int8 ? "int8" : "uint8";
}

eg::Dtype parse_dtype(const std::string& name) {
    for (const eg::Dtype dtype : {eg::Dtype::float32, eg::Dtype::int8, eg::Dtype::uint8}) {
        if (name == dtype_name(dtype)) return dtype;
    }
    throw py::value_error("dtype: expected float32, int8 or uint8, got '" + name + "'");
}

const void* buffer(const py::array& array, const std::string& name, const eg::Tensor& tensor) {
    const std::size_t size = tensor.height * tensor.width * tensor.channels;
    switch (tensor.dtype) {
        case eg::Dtype::float32:
            return input<float>(array, name, size);
        case eg::Dtype::int8:
            return input<std::int8_t>(array, name, size);
        case eg::Dtype::uint8:
            return input<std::uint8_t>(array, name, size);
    }
    return nullptr;
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

}  // namespace

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

}  // namespace eg::bindings
