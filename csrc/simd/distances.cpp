// Dot products of one vector with many rows, several rows at a time so that the additions of
// different rows overlap.
#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kRows = 4;

double dot(const float* row, const double* x, std::size_t dim) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::size_t i = 0; i < dim; ++i) sum += static_cast<double>(row[i]) * x[i];
    return sum;
}

void dot4(const float* rows, std::size_t dim, const double* x, double* out) {
    const float *r0 = rows, *r1 = r0 + dim, *r2 = r1 + dim, *r3 = r2 + dim;
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (std::size_t i = 0; i < dim; ++i) {
        s0 += static_cast<double>(r0[i]) * x[i];
        s1 += static_cast<double>(r1[i]) * x[i];
        s2 += static_cast<double>(r2[i]) * x[i];
        s3 += static_cast<double>(r3[i]) * x[i];
    }
    out[0] = s0, out[1] = s1, out[2] = s2, out[3] = s3;
}

}  // namespace

void project(const float* rows, std::size_t n_rows, std::size_t dim, const double* x, double* out) {
    std::size_t r = 0;
    for (; r + kRows <= n_rows; r += kRows) dot4(rows + r * dim, dim, x, out + r);
    for (; r < n_rows; ++r) out[r] = dot(rows + r * dim, x, dim);
}

}  // namespace eg::simd::EG_LEVEL
