// Bindings of the drift monitors: a few dozen numbers a frame, too short to give the GIL away for.
#include <algorithm>
#include <cstring>

#include "arrays.hpp"
#include "drift.hpp"

namespace eg::bindings {
namespace {

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

}  // namespace

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

}  // namespace eg::bindings
