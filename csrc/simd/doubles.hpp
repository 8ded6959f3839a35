// Vectors of float64 and how float32 becomes one. (For __builtin_convertvector, GCC 12 converts
// two values at a time.)
#pragma once

#if defined(EG_SCALAR)
#elif defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

#if defined(__AVX__) && !defined(EG_SCALAR)
constexpr std::size_t kLanes = 4;
typedef __m256d Doubles;

inline Doubles widened(const float* values) { return _mm256_cvtps_pd(_mm_loadu_ps(values)); }
#elif defined(__SSE2__) && !defined(EG_SCALAR)
constexpr std::size_t kLanes = 2;
typedef __m128d Doubles;

inline Doubles widened(const float* values) {
    return _mm_cvtps_pd(
        _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(values))));
}
#elif defined(__ARM_NEON) && !defined(EG_SCALAR)
constexpr std::size_t kLanes = 2;
typedef float64x2_t Doubles;

inline Doubles widened(const float* values) { return vcvt_f64_f32(vld1_f32(values)); }
#else
constexpr std::size_t kLanes = 1;
typedef double Doubles __attribute__((vector_size(sizeof(double))));

inline Doubles widened(const float* values) { return Doubles{static_cast<double>(*values)}; }
#endif

}  // namespace
}  // namespace eg::simd::EG_LEVEL
