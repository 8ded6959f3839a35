// What the drift monitors compute a frame: channels, charts, ranks, totals.
#include "drift.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace eg::drift {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kTextureLeast = 1e-9;
constexpr double kLocalFloor = 0.05, kDeviationFloor = 0.5, kNoiseFloor = 0.1;
constexpr double kRoof = 1e250, kEdge = 1e-12;
constexpr double kPi = 3.14159265358979323846;

}  // namespace

// ---- channels ----------------------------------------------------------------------------------

Spread spread(std::size_t side) {
    const std::size_t step = std::max<std::size_t>(1, side / kSamples);
    const std::size_t count = std::min(kSamples, side);
    return {(side - (count - 1) * step) / 2, step, count};
}

void Scene::validate() const {
    const auto must = [](bool holds, const char* what) {
        if (!holds) throw std::invalid_argument(what);
    };
    must(!center.empty() && weights.size() == center.size(), "weights: one for each cell");
    must(registration.size() == kMoves * picture.size(), "registration: 4 rows like the picture");
    must(picked.size() == kPicked, "picked: 5 indices");
    for (const std::int32_t index : picked) must(index >= 0, "picked: not below 0");
}

Reader::Reader(Scene scene) : scene_(std::move(scene)) {
    scene_.validate();
    const std::size_t cells = scene_.center.size(), pixels = scene_.picture.size();
    double level = 0, energy = 0;
    for (std::size_t c = 0; c < cells; ++c) level += scene_.weights[c] * scene_.center[c];
    for (std::size_t c = 0; c < cells; ++c) {
        texture_.push_back(scene_.center[c] - level);
        energy += scene_.weights[c] * texture_[c] * texture_[c];
        root_.push_back(std::sqrt(scene_.weights[c]));
    }
    for (std::size_t c = 0; c < cells; ++c) {
        gain_.push_back(energy > kTextureLeast ? scene_.weights[c] * texture_[c] / energy : 0.0);
    }
    interleaved_.resize(kMoves * pixels);
    for (std::size_t m = 0; m < kMoves; ++m) {
        for (std::size_t p = 0; p < pixels; ++p) {
            const float share = scene_.registration[m * pixels + p];
            interleaved_[p * kMoves + m] = share;
            place_[m] += double{share} * double{scene_.picture[p]};
        }
    }
}

void Reader::read(const Image& image, const float* statistics, const float* cells,
                  double* values) const {
    const std::size_t n = scene_.center.size();
    double light = 0, gain = 0, rest = 0;
    for (std::size_t c = 0; c < n; ++c) {
        const double off = double{cells[c]} - scene_.center[c];
        light += scene_.weights[c] * off;
        gain += gain_[c] * off;
    }
    for (std::size_t c = 0; c < n; ++c) {
        const double off = double{cells[c]} - scene_.center[c] - light - gain * texture_[c];
        rest += scene_.weights[c] * off * off;
    }
    const auto picked = [&](std::size_t i) { return double{statistics[scene_.picked[i]]}; };
    // std::fmax would drop a NaN
    const auto positive = [](double v) { return v < 0.0 ? 0.0 : v; };
    values[0] = light;
    values[1] = 100.0 * std::log(positive(picked(0)) + kDeviationFloor);
    values[2] = 100.0 * picked(1);
    values[3] = 100.0 * std::log(positive(picked(2)) + kNoiseFloor);
    values[4] = 100.0 * picked(3);
    values[5] = 100.0 * picked(4);
    values[6] = std::log(rest + kLocalFloor);
    register_moves(image, values + 7);
}

void Reader::register_moves(const Image& image, double* moves) const {
    const Spread down = spread(image.height), across = spread(image.width);
    if (scene_.picture.empty() || down.count * across.count != scene_.picture.size()) {
        std::fill(moves, moves + kMoves, kNaN);
        return;
    }
    const std::uint8_t* green =
        image.pixels + (image.channels == 3 ? image.channel_stride : std::ptrdiff_t{0});
    double sums[kMoves] = {};
    const float* shares = interleaved_.data();
    for (std::size_t r = 0; r < down.count; ++r) {
        const std::uint8_t* pixel =
            green + static_cast<std::ptrdiff_t>(down.start + r * down.step) * image.row_stride +
            static_cast<std::ptrdiff_t>(across.start) * image.column_stride;
        const std::ptrdiff_t stride =
            static_cast<std::ptrdiff_t>(across.step) * image.column_stride;
        float row[kMoves] = {};  // of 40 pixels: exact enough in float32
        for (std::size_t c = 0; c < across.count; ++c, pixel += stride, shares += kMoves) {
            const auto level = static_cast<float>(*pixel);
            for (std::size_t m = 0; m < kMoves; ++m) row[m] += shares[m] * level;
        }
        for (std::size_t m = 0; m < kMoves; ++m) sums[m] += double{row[m]};
    }
    for (std::size_t m = 0; m < kMoves; ++m) moves[m] = sums[m] - place_[m];
}

// ---- charts ------------------------------------------------------------------------------------

bool step_charts(const ChartTables& tables, const double* x, double frame, double* before,
                 double* columns) {
    const std::size_t k = tables.channels, n = tables.charts, width = 2 * k;
    const double *mean = tables.channel, *rho = mean + k, *root = rho + k;
    const double *inverse = tables.column, *allowance = inverse + n * width,
                 *limit = allowance + n * width, *jump = limit + n * width, *second = jump + width;
    double *level = columns, *since = level + n * width, *jumping = since + n * width,
           *jumped = jumping + width;
    bool alarm = false;
    for (std::size_t c = 0; c < k; ++c) {
        const bool there = std::isfinite(x[c]);
        const double d = there ? x[c] - mean[c] : before[c];
        const double e = !there                   ? 0.0
                         : std::isnan(before[c]) ? d * root[c]
                                                 : d - rho[c] * before[c];
        before[c] = d;
        for (std::size_t column = c; column < width; column += k) {
            const double v = column < k ? e : -e;
            for (std::size_t i = 0; i < n; ++i) {
                const std::size_t at = i * width + column;
                level[at] += std::min(v * inverse[at], tables.clip) - allowance[at];
                if (level[at] <= 0.0) {
                    level[at] = 0.0;
                    since[at] = frame;
                }
                alarm |= level[at] > limit[at];
            }
            const bool confirmed =
                jumping[column] > 0.0 && v + rho[c] * jumping[column] > second[column];
            jumped[column] = confirmed ? 1.0 : 0.0;
            jumping[column] = v > jump[column] ? v : 0.0;
            alarm |= confirmed;
        }
    }
    return alarm;
}

// ---- ranks -------------------------------------------------------------------------------------

// Winitzki's approximation of the error function's inverse, then two of Halley's steps.
double normal_quantile(double p) {
    const double q = std::min(p, 1.0 - p);
    if (q >= 0.5) return 0.0;
    const double y = 1.0 - 2.0 * q, ln = std::log(4.0 * q * (1.0 - q)), a = 0.147;
    const double b = 2.0 / (kPi * a) + ln / 2.0;
    double z = y <= 0.0 ? 0.0 : -std::sqrt(2.0 * (std::sqrt(b * b - ln / a) - b));
    for (int i = 0; i < 3; ++i) {
        const double off = 0.5 * std::erfc(-z / std::sqrt(2.0)) - q;
        const double u = off * std::sqrt(2.0 * kPi) * std::exp(0.5 * z * z);
        z -= u / (1.0 + 0.5 * z * u);
    }
    return p < 0.5 ? z : -z;
}

namespace {

void bet(const RankTables& tables, std::size_t c, double mean, double* weights, double* wealth) {
    const double* edge = tables.edge + c * tables.edges;
    double* own = weights + c * (tables.edges + 1);
    double all = tables.anew[c], under = 0.0;
    std::size_t bin = 0;
    for (std::size_t e = 0; e < tables.edges; ++e) {
        if (edge[e] <= mean) {
            under += own[e];
            bin = e + 1;
        }
        all += own[e];
    }
    all += own[tables.edges];
    const double p = (under + tables.uniform[c] * (own[bin] + tables.anew[c])) / all;
    own[bin] += 1.0;
    const double z = normal_quantile(std::min(std::max(p, kEdge), 1.0 - kEdge));
    for (std::size_t i = 0; i < tables.bets; ++i) {
        const double b = tables.bet[i];
        double& sum = wealth[c * tables.bets + i];
        sum = std::min((sum + 1.0) * std::exp(b * z - 0.5 * b * b), kRoof);
    }
}

}  // namespace

bool step_ranks(const RankTables& tables, const double* x, double* sums, double* weights,
                double* wealth) {
    const std::size_t k = tables.channels;
    bool full = false;
    for (std::size_t c = 0; c < k; ++c) {
        double &sum = sums[c], &frames = sums[k + c];
        if (!std::isfinite(x[c])) {  // the block begins anew
            sum = frames = 0.0;
            continue;
        }
        sum += x[c];
        frames += 1.0;
        if (frames < tables.block[c]) continue;
        bet(tables, c, sum / frames, weights, wealth);
        sum = frames = 0.0;
        full = true;
    }
    return full;
}

// ---- totals ------------------------------------------------------------------------------------

void add_to_history(std::size_t size, std::size_t frames, const double* values,
                    const double* usual, double* total, double* fine, double* coarse) {
    if (frames % kRecent == 0) {
        std::copy(total, total + size, coarse + frames / kRecent % kRecent * size);
    }
    std::copy(total, total + size, fine + frames % kRecent * size);
    for (std::size_t i = 0; i < size; ++i) {
        total[i] += std::isfinite(values[i]) ? values[i] : usual[i];
    }
}

void settle(std::size_t channels, const double* x, const double* mean, const double* sd,
            double* before, double* sums) {
    for (std::size_t c = 0; c < channels; ++c) {
        const double d = std::isfinite(x[c]) ? (x[c] - mean[c]) / sd[c] : 0.0;
        sums[c] += d;
        sums[channels + c] += d * d;
        if (!std::isnan(before[c])) {
            sums[2 * channels + c] += (d - before[c]) * (d - before[c]);
            sums[3 * channels + c] += 1.0;
        }
        before[c] = d;
    }
}

}  // namespace eg::drift
