// Vectors turned so that no value of them stands out, and turned ones as whole numbers.
//
// Turning: signs at random (folded into the factors that a vector is scaled by), then Hadamard's
// orthogonal matrix on blocks of h values, h the largest power of two up to 256 and the dimension;
// where h does not divide the dimension, the last block overlaps the one before. A length changes
// by rounding only, less than the share 2^-47: each value is added 16 times and scaled
// twice at most, by a factor that is good to 9 roundings.
#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr double kSmallestStep = 1e-30;
constexpr std::size_t kMostTurned = 256;

typedef double Four __attribute__((vector_size(4 * sizeof(double))));
typedef long long Order __attribute__((vector_size(4 * sizeof(double))));

// The last two halvings and the scaling of four values.
void turn_four(double* y, double share) {
    const Four pairs = {1, 1, -1, -1}, single = {1, -1, 1, -1};
    Four v;
    __builtin_memcpy(&v, y, sizeof v);
    v = v * pairs + __builtin_shuffle(v, Order{2, 3, 0, 1});
    v = (v * single + __builtin_shuffle(v, Order{1, 0, 3, 2})) * share;
    __builtin_memcpy(y, &v, sizeof v);
}

void turn_block(double* y, std::size_t n, double share) {
    std::size_t half = n / 2;
    for (; half > 0 && (half >= 4 || n < 4); half /= 2) {
        for (std::size_t first = 0; first < n; first += 2 * half) {
            double *a = y + first, *b = a + half;
#pragma omp simd
            for (std::size_t i = 0; i < half; ++i) {
                const double sum = a[i] + b[i], difference = a[i] - b[i];
                a[i] = sum;
                b[i] = difference;
            }
        }
    }
    if (n < 4) {
        for (std::size_t i = 0; i < n; ++i) y[i] *= share;
    } else {
        for (std::size_t i = 0; i < n; i += 4) turn_four(y + i, share);
    }
}

}  // namespace

double centre(const float* x, const double* center, const double* factors, std::size_t dim,
              double* y) {
    double square = 0;
#pragma omp simd reduction(+ : square)
    for (std::size_t i = 0; i < dim; ++i) {
        const double value = (static_cast<double>(x[i]) - center[i]) * factors[i];
        y[i] = value;
        square += value * value;
    }
    return square;
}

void turn(double* y, std::size_t dim) {
    std::size_t n = 1;
    double share = 1;  // 1 / sqrt(n)
    for (; 2 * n <= dim && n < kMostTurned; n *= 2)
        share = share * 0x1.6a09e667f3bcdp-1;
    std::size_t first = 0;
    for (; first + n <= dim; first += n) turn_block(y + first, n, share);
    if (first < dim) turn_block(y + dim - n, n, share);
}

Quantized quantize(const double* y, std::size_t dim, int limit, std::int16_t* out) {
    constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
    double largest = 0;
#pragma omp simd reduction(max : largest)
    for (std::size_t i = 0; i < dim; ++i) {
        const double size = y[i] < 0 ? -y[i] : y[i];
        largest = size > largest ? size : largest;
    }
    Quantized result = {0, static_cast<float>(largest / limit)};
    const double step = result.step;
    const double inverse = step > kSmallestStep ? 1 / step : 0;
    double rest = 0;
#pragma omp simd reduction(+ : rest)
    for (std::size_t i = 0; i < dim; ++i) {
        const double rounded = (y[i] * inverse + kRound) - kRound;
        const double missing = y[i] - rounded * step;
        rest += missing * missing;
        out[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(rounded));
    }
    result.rest_square = rest;
    return result;
}

}  // namespace eg::simd::EG_LEVEL
