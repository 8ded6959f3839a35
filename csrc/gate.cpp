// What the input gate asks of every frame's numbers: limits, the light, the most unusual cell.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels.hpp"

namespace eg {
namespace {

constexpr std::size_t kCellCount = kCells * kCells;
using Values = std::array<double, kCellCount>;

// Mean of the two middle values; the order is lost.
double median(Values& values) {
    const auto upper = values.begin() + kCellCount / 2;
    std::nth_element(values.begin(), upper, values.end());
    return 0.5 * (*std::max_element(values.begin(), upper) + *upper);
}

}  // namespace

bool within(const float* values, const std::int32_t* columns, const double* low,
            const double* high, std::size_t n) {
    bool fine = true;
    for (std::size_t i = 0; i < n; ++i) {
        const double v = values[columns[i]];
        fine &= v >= low[i] && v <= high[i];
    }
    return fine;
}

SceneLight scene_light(const float* means, const double* center, const double* spread,
                       double floor) {
    Values apart;
    for (std::size_t i = 0; i < kCellCount; ++i) apart[i] = means[i] - center[i];
    Values ordered = apart;
    SceneLight light = {median(ordered), 0};
    for (std::size_t i = 0; i < kCellCount; ++i) {
        light.worst = std::max(light.worst, std::fabs(apart[i] - light.shift) / (spread[i] + floor));
    }
    return light;
}

double median_change(const float* a, const float* b) {
    Values changes;
    for (std::size_t i = 0; i < kCellCount; ++i) changes[i] = std::fabs(double{a[i]} - b[i]);
    return median(changes);
}

}  // namespace eg
