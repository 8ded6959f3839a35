// Squashed scores into one, and its conformal p-value.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "kernels.hpp"

namespace eg {
namespace {

constexpr double kLoudest = 3;  // a score's plain term says no more than this

bool all_finite(const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

void require(bool condition, const std::string& problem) {
    if (!condition) throw std::invalid_argument(problem);
}

void require_finite(const char* name, const std::vector<double>& values, std::size_t size) {
    require(values.size() == size, std::string(name) + ": expected " + std::to_string(size) +
                                       " values as in center, got " +
                                       std::to_string(values.size()));
    require(all_finite(values), std::string(name) + ": expected finite values");
}

double with_solo(double fused, double a, const std::vector<double>& solo) {
    const double ahead = (solo[0] * a + solo[1] - fused) / solo[2];
    return fused + solo[2] * (std::fmax(ahead, 0) + std::log1p(std::exp(-std::fabs(ahead))));
}

}  // namespace

void Fusion::validate() const {
    require_finite("center", center, center.size());
    require_finite("spread", spread, center.size());
    require_finite("weight", weight, center.size());
    require_finite("tail", tail, center.size());
    require_finite("knee", knee, center.size());
    for (const double s : spread) require(s > 0, "spread: expected values above 0");
    require(std::isfinite(top1), "top1: expected a finite value");
    require(std::isfinite(top3), "top3: expected a finite value");
    require(all_finite(calibration), "calibration: expected finite values");
    require(std::is_sorted(calibration.begin(), calibration.end()),
            "calibration: expected ascending values");
    require(solo.empty() || solo.size() == 3, "solo: expected 3 values");
    require(solo.empty() || !center.empty(), "solo: expected a score to speak for the frame");
    require(all_finite(solo), "solo: expected finite values");
    require(solo.empty() || solo[2] > 0, "solo: expected a softness above 0");
}

double Fusion::fuse(const double* scores) const {
    constexpr double kLowest = -std::numeric_limits<double>::infinity();
    double fused = 0, last = 0, top[3] = {kLowest, kLowest, kLowest};
    for (std::size_t k = 0; k < center.size(); ++k) {
        const double z = (scores[k] - center[k]) / spread[k];
        const double a = std::copysign(std::log1p(std::fabs(z)), z);
        const double b = kLoudest * std::tanh(a / kLoudest);
        fused += weight[k] * b + tail[k] * (a < knee[k] ? 0 : a - knee[k]);
        last = a;
        if (b > top[0]) {
            top[2] = top[1], top[1] = top[0], top[0] = b;
        } else if (b > top[1]) {
            top[2] = top[1], top[1] = b;
        } else if (b > top[2]) {
            top[2] = b;
        }
    }
    if (!center.empty()) {
        const std::size_t n = std::min<std::size_t>(center.size(), 3);
        double sum = 0;
        for (std::size_t i = 0; i < n; ++i) sum += top[i];
        fused += top1 * top[0] + top3 * sum / static_cast<double>(n);
    }
    return solo.empty() ? fused : with_solo(fused, last, solo);
}

double Fusion::p_value(double fused) const {
    if (std::isnan(fused)) return fused;
    const auto first = std::lower_bound(calibration.begin(), calibration.end(), fused);
    const auto larger = static_cast<double>(calibration.end() - first);
    return (1 + larger) / (static_cast<double>(calibration.size()) + 1);
}

}  // namespace eg
