// Products of bytes and integers: a panel of a bank's rows (table.hpp) times a block of vectors.
// A row's byte is q + 128; what the 128 adds is in the block's biases and is taken off later.
//
// Two ways: "planes", four int8 products to a 32-bit sum, and "words", rows widened to 16 bits.
// Each instruction set has the one it is good at.
#pragma once

#if defined(EG_SCALAR)
#elif defined(__AVX512VNNI__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kAhead = 4096;                 // bytes fetched ahead of use
constexpr std::size_t kQuadBytes = 4 * kLaneRows;  // of a panel: four columns of its rows
typedef std::int32_t Products[kLaneRows];

void fetch_ahead(const std::uint8_t* from, std::size_t bytes) {
    for (std::size_t line = 0; line < bytes; line += 64) __builtin_prefetch(from + kAhead + line, 0, 2);
}

namespace planes {

#if defined(__AVX512VNNI__) && !defined(EG_SCALAR)
#define EG_PLANES 1
constexpr std::size_t kTogether = 12;  // vectors whose sums fit the registers
constexpr int kLimit = 127;
typedef __m512i Rows;
typedef __m512i Sums;

Rows load(const std::uint8_t* rows) { return _mm512_loadu_si512(rows); }
void store(std::int32_t* out, Sums sums) { _mm512_storeu_si512(out, sums); }
Sums zero() { return _mm512_setzero_si512(); }
Rows spread(std::int32_t quad) { return _mm512_set1_epi32(quad); }
Sums add(Sums sums, Rows rows, Rows values) { return _mm512_dpbusd_epi32(sums, rows, values); }
constexpr std::int32_t kBias = 1;
#elif defined(__ARM_FEATURE_DOTPROD) && !defined(EG_SCALAR)
#define EG_PLANES 1
constexpr std::size_t kTogether = 2;
constexpr int kLimit = 127;
typedef int8x16_t Rows;
typedef int32x4_t Sums;

Rows load(const std::uint8_t* rows) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(rows), vdupq_n_u8(128)));
}
void store(std::int32_t* out, Sums sums) { vst1q_s32(out, sums); }
Sums zero() { return vdupq_n_s32(0); }
Rows spread(std::int32_t quad) { return vreinterpretq_s8_s32(vdupq_n_s32(quad)); }
Sums add(Sums sums, Rows rows, Rows values) { return vdotq_s32(sums, rows, values); }
constexpr std::int32_t kBias = 0;  // the rows are signed again
#elif defined(__AVX2__) && !defined(EG_SCALAR)
#define EG_PLANES 1
constexpr std::size_t kTogether = 2;
constexpr int kLimit = 64;  // two products, 2 * 255 * 64, fit 16 bits
typedef __m256i Rows;
typedef __m256i Sums;

Rows load(const std::uint8_t* rows) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows));
}
void store(std::int32_t* out, Sums sums) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums);
}
Sums zero() { return _mm256_setzero_si256(); }
Rows spread(std::int32_t quad) { return _mm256_set1_epi32(quad); }
Sums add(Sums sums, Rows rows, Rows values) {
    const __m256i pairs = _mm256_maddubs_epi16(rows, values);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
constexpr std::int32_t kBias = 1;
#else
#define EG_PLANES 0
constexpr int kLimit = 127;
constexpr std::int32_t kBias = 1;
#endif

#if EG_PLANES > 0
constexpr std::size_t kVectors = kQuadBytes / sizeof(Rows), kVectorRows = kLaneRows / kVectors;

template <std::size_t N>
void multiply(const std::uint8_t* panel, std::size_t quads, const std::int8_t* values,
              std::size_t step, Products* out) {
    Sums sums[N][kVectors];
    for (auto& of_one : sums) {
        for (Sums& sum : of_one) sum = zero();
    }
    for (std::size_t k = 0; k < quads; ++k, panel += kQuadBytes, values += step) {
        fetch_ahead(panel, kQuadBytes);
        Rows rows[kVectors];
        for (std::size_t v = 0; v < kVectors; ++v) rows[v] = load(panel + v * sizeof(Rows));
        for (std::size_t i = 0; i < N; ++i) {
            std::int32_t quad;
            __builtin_memcpy(&quad, values + 4 * i, sizeof quad);
            const Rows spread_quad = spread(quad);
            for (std::size_t v = 0; v < kVectors; ++v)
                sums[i][v] = add(sums[i][v], rows[v], spread_quad);
        }
    }
    for (std::size_t i = 0; i < N; ++i) {
        for (std::size_t v = 0; v < kVectors; ++v) store(out[i] + v * kVectorRows, sums[i][v]);
    }
}
#endif

}  // namespace planes

namespace words {

#if EG_PLANES == 0
#if defined(__SSE2__) && !defined(EG_SCALAR)
constexpr std::size_t kVectorRows = 2;
typedef __m128i Rows;
typedef __m128i Values;
typedef __m128i Sums;

Rows load(const std::uint8_t* rows) {
    return _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows)),
                             _mm_setzero_si128());
}
Values spread(const std::int16_t* values) {
    const __m128i quad = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(values));
    return _mm_unpacklo_epi64(quad, quad);
}
Sums zero() { return _mm_setzero_si128(); }
Sums add(Sums sums, Rows rows, Values values) {
    return _mm_add_epi32(sums, _mm_madd_epi16(rows, values));
}
#elif defined(__ARM_NEON) && !defined(EG_SCALAR)
constexpr std::size_t kVectorRows = 1;
typedef int16x4_t Rows;
typedef int16x4_t Values;
typedef int32x4_t Sums;  // four of each row

Rows load(const std::uint8_t* rows) {
    std::uint32_t quad;
    __builtin_memcpy(&quad, rows, sizeof quad);
    return vget_low_s16(vreinterpretq_s16_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(quad)))));
}
Values spread(const std::int16_t* values) { return vld1_s16(values); }
Sums zero() { return vdupq_n_s32(0); }
Sums add(Sums sums, Rows rows, Values values) { return vmlal_s16(sums, rows, values); }
#else
constexpr std::size_t kVectorRows = 1;
typedef const std::uint8_t* Rows;
typedef const std::int16_t* Values;
typedef std::int32_t Sums;

Rows load(const std::uint8_t* rows) { return rows; }
Values spread(const std::int16_t* values) { return values; }
Sums zero() { return 0; }
Sums add(Sums sums, Rows rows, Values values) {
    for (std::size_t j = 0; j < 4; ++j) sums += rows[j] * values[j];
    return sums;
}
#endif

constexpr std::size_t kTogether = 4;
constexpr std::size_t kShare = sizeof(Sums) / sizeof(std::int32_t) / kVectorRows;

// Rows first ... first + kVectors * kVectorRows of the panel.
template <std::size_t N, std::size_t kVectors>
void multiply(const std::uint8_t* panel, std::size_t quads, const std::int16_t* values,
              std::size_t step, std::size_t first, Products* out) {
    const std::uint8_t* rows = panel + 4 * first;
    Sums sums[N][kVectors];
    for (auto& of_one : sums) {
        for (Sums& sum : of_one) sum = zero();
    }
    for (std::size_t k = 0; k < quads; ++k, rows += kQuadBytes, values += step) {
        fetch_ahead(rows, 4 * kVectors * kVectorRows);
        Rows wide[kVectors];
        for (std::size_t v = 0; v < kVectors; ++v) wide[v] = load(rows + v * 4 * kVectorRows);
        for (std::size_t i = 0; i < N; ++i) {
            const Values quad = spread(values + 4 * i);
            for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = add(sums[i][v], wide[v], quad);
        }
    }
    for (std::size_t i = 0; i < N; ++i) {
        std::int32_t parts[kVectors * kVectorRows][kShare];
        __builtin_memcpy(parts, sums[i], sizeof parts);
        for (std::size_t r = 0; r < kVectors * kVectorRows; ++r) {
            std::int32_t sum = 0;
            for (const std::int32_t part : parts[r]) sum += part;
            out[i][first + r] = sum;
        }
    }
}
#endif

}  // namespace words

// out[i][r] = vector i times row r of the panel, plus kBias times the vector's bias.
template <std::size_t N>
void multiply_panel(const std::uint8_t* panel, const QueryBlock& block, Products* out) {
#if EG_PLANES == 0
    constexpr std::size_t kPart = N < words::kTogether ? N : words::kTogether;
    constexpr std::size_t kVectors = kPart == 1 ? 8 : 2;
    const auto* values = static_cast<const std::int16_t*>(block.values);
    for (std::size_t first = 0; first < kLaneRows; first += kVectors * words::kVectorRows) {
        for (std::size_t i = 0; i < N; i += kPart)
            words::multiply<kPart, kVectors>(panel, block.quads, values + 4 * i, 4 * N, first,
                                             out + i);
    }
#else
    constexpr std::size_t kPart = N < planes::kTogether ? N : planes::kTogether;
    const auto* values = static_cast<const std::int8_t*>(block.values);
    for (std::size_t i = 0; i < N; i += kPart)
        planes::multiply<kPart>(panel, block.quads, values + 4 * i, 4 * N, out + i);
#endif
}

#if EG_PLANES == 0
typedef std::int16_t QueryValue;
#else
typedef std::int8_t QueryValue;
#endif
constexpr std::size_t kValueBytes = sizeof(QueryValue);

// Value j of the quad at `index` (quad after quad, of each the vectors in turn).
void pack_value(const QueryBlock& block, std::size_t index, std::size_t j, std::int16_t value) {
    static_cast<QueryValue*>(block.values)[4 * index + j] = static_cast<QueryValue>(value);
}

}  // namespace
}  // namespace eg::simd::EG_LEVEL
