// The squared distance that decides: float64 in sixteen sums of fixed order, compiled without
// contraction, so that it is the same to the last bit at every level.
#include "doubles.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kSums = 16;

}  // namespace

double squared_distance(const float* a, const float* b, std::size_t dim) {
    Doubles sums[kSums / kLanes] = {};
    std::size_t i = 0;
    for (; i + kSums <= dim; i += kSums) {
        for (std::size_t v = 0; v < kSums / kLanes; ++v) {
            const Doubles d = widened(a + i + v * kLanes) - widened(b + i + v * kLanes);
            sums[v] += d * d;
        }
    }
    double s[kSums];
    __builtin_memcpy(s, sums, sizeof s);
    for (; i < dim; ++i) {
        const double d = static_cast<double>(a[i]) - b[i];
        s[i % kSums] += d * d;
    }
    for (std::size_t half = kSums / 2; half > 0; half /= 2) {
        for (std::size_t j = 0; j < half; ++j) s[j] += s[j + half];
    }
    return s[0];
}

}  // namespace eg::simd::EG_LEVEL
