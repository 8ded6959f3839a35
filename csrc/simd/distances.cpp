// Dot products of one vector with many rows, four rows at a time.
#include "doubles.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kAhead = 4096 / sizeof(float);  // values fetched ahead of use

}  // namespace

void project(const float* rows, std::size_t n_bands, std::size_t n_lines, const double* x,
             double* out) {
    constexpr std::size_t kVectors = kLineValues / kLanes, kEach = kVectors < 2 ? kVectors : 2;
    for (std::size_t band = 0; band < n_bands; ++band, out += kBandRows) {
        Doubles sums[kBandRows][kEach] = {};  // two a row, so that more additions overlap
        for (std::size_t line = 0; line < n_lines; ++line) {
            const double* along = x + line * kLineValues;
            for (std::size_t r = 0; r < kBandRows; ++r, rows += kLineValues) {
                __builtin_prefetch(rows + kAhead, 0, 2);
                for (std::size_t v = 0; v < kVectors; ++v) {
                    Doubles part;
                    __builtin_memcpy(&part, along + v * kLanes, sizeof part);
                    sums[r][v % kEach] += widened(rows + v * kLanes) * part;
                }
            }
        }
        for (std::size_t r = 0; r < kBandRows; ++r) {
            double sum = 0;
            for (const Doubles& part : sums[r]) {
                for (std::size_t lane = 0; lane < kLanes; ++lane) sum += part[lane];
            }
            out[r] = sum;
        }
    }
}

}  // namespace eg::simd::EG_LEVEL
