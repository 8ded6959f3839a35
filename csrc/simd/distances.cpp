// Dot products and squared distances of one vector to many rows, several rows at a time so that
// the additions of different rows overlap.
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

float distance(const float* row, const float* x, std::size_t dim) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::size_t i = 0; i < dim; ++i) {
        const float d = x[i] - row[i];
        sum += d * d;
    }
    return sum;
}

void distance4(const float* rows, std::size_t dim, const float* x, float* out) {
    const float *r0 = rows, *r1 = r0 + dim, *r2 = r1 + dim, *r3 = r2 + dim;
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (std::size_t i = 0; i < dim; ++i) {
        const float d0 = x[i] - r0[i], d1 = x[i] - r1[i], d2 = x[i] - r2[i], d3 = x[i] - r3[i];
        s0 += d0 * d0;
        s1 += d1 * d1;
        s2 += d2 * d2;
        s3 += d3 * d3;
    }
    out[0] = s0, out[1] = s1, out[2] = s2, out[3] = s3;
}

void keep_smaller(Nearest& best, std::size_t row, float squared_distance) {
    if (squared_distance < best.squared_distance) {  // false for NaN
        best.squared_distance = squared_distance;
        best.row = static_cast<std::int64_t>(row);
    }
}

}  // namespace

void project(const float* rows, std::size_t n_rows, std::size_t dim, const double* x, double* out) {
    std::size_t r = 0;
    for (; r + kRows <= n_rows; r += kRows) dot4(rows + r * dim, dim, x, out + r);
    for (; r < n_rows; ++r) out[r] = dot(rows + r * dim, x, dim);
}

Nearest nearest(const float* rows, std::size_t n_rows, std::size_t dim, const float* x) {
    Nearest best = {-1, __builtin_inff()};
    float distances[kRows];
    std::size_t r = 0;
    for (; r + kRows <= n_rows; r += kRows) {
        distance4(rows + r * dim, dim, x, distances);
        for (std::size_t j = 0; j < kRows; ++j) keep_smaller(best, r + j, distances[j]);
    }
    for (; r < n_rows; ++r) keep_smaller(best, r, distance(rows + r * dim, x, dim));
    return best;
}

}  // namespace eg::simd::EG_LEVEL
