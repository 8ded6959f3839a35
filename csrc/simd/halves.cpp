// Products of one vector with rows of half bytes (bank.hpp): whole panels of upper halves, and
// single rows of lower ones. A byte holds two columns, its lower half the first quad's of an octet
// of columns, its upper half the second quad's; a half is q + 8, and what the 8 adds is taken off
// later. Sums are exact.
#if defined(EG_SCALAR)
#elif defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kAhead = 4096;               // bytes fetched ahead of use
constexpr std::size_t kOctetBytes = 4 * kLaneRows;  // of a panel: eight columns of its rows

// Bytes of rows or of the vector, the sums of each four of them, and how many rows of a panel are
// summed together, in registers.
#if defined(__AVX512VNNI__) && !defined(EG_SCALAR)
typedef __m512i Bytes;
struct Sums {
    __m512i first = _mm512_setzero_si512(), second = _mm512_setzero_si512();
};
constexpr std::size_t kTogether = 2;

Bytes load(const void* from) { return _mm512_loadu_si512(from); }
Bytes spread(std::int32_t quad) { return _mm512_set1_epi32(quad); }
void add(Sums& sums, Bytes rows, Bytes first, Bytes second) {
    const __m512i half = _mm512_set1_epi8(15);
    sums.first = _mm512_dpbusd_epi32(sums.first, _mm512_and_si512(rows, half), first);
    sums.second = _mm512_dpbusd_epi32(
        sums.second, _mm512_and_si512(_mm512_srli_epi16(rows, 4), half), second);
}
void store(std::int32_t* out, const Sums& sums) {
    _mm512_storeu_si512(out, _mm512_add_epi32(sums.first, sums.second));
}
#elif defined(__AVX2__) && !defined(EG_SCALAR)
typedef __m256i Bytes;
struct Sums {
    __m256i all = _mm256_setzero_si256();
};
constexpr std::size_t kTogether = 4;

Bytes load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
Bytes spread(std::int32_t quad) { return _mm256_set1_epi32(quad); }
void add(Sums& sums, Bytes rows, Bytes first, Bytes second) {
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i lower = _mm256_and_si256(rows, half);
    const __m256i upper = _mm256_and_si256(_mm256_srli_epi16(rows, 4), half);
    // Four products, 4 * 15 * 127, fit 16 bits.
    const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(lower, first),
                                           _mm256_maddubs_epi16(upper, second));
    sums.all = _mm256_add_epi32(sums.all, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
void store(std::int32_t* out, const Sums& sums) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums.all);
}
#elif defined(__SSE2__) && !defined(EG_SCALAR)
typedef __m128i Bytes;
struct Sums {
    __m128i first = _mm_setzero_si128(), second = _mm_setzero_si128();  // two of each row
};
constexpr std::size_t kTogether = 2;

Bytes load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }
Bytes spread(std::int32_t quad) { return _mm_set1_epi32(quad); }
void add_words(Sums& sums, Bytes halves, Bytes values) {
    const __m128i zero = _mm_setzero_si128();
    const __m128i low = _mm_srai_epi16(_mm_unpacklo_epi8(values, values), 8);
    const __m128i high = _mm_srai_epi16(_mm_unpackhi_epi8(values, values), 8);
    sums.first = _mm_add_epi32(sums.first, _mm_madd_epi16(_mm_unpacklo_epi8(halves, zero), low));
    sums.second = _mm_add_epi32(sums.second, _mm_madd_epi16(_mm_unpackhi_epi8(halves, zero), high));
}
void add(Sums& sums, Bytes rows, Bytes first, Bytes second) {
    const __m128i half = _mm_set1_epi8(15);
    add_words(sums, _mm_and_si128(rows, half), first);
    add_words(sums, _mm_and_si128(_mm_srli_epi16(rows, 4), half), second);
}
void store(std::int32_t* out, const Sums& sums) {
    std::int32_t parts[8];
    __builtin_memcpy(parts, &sums.first, 16);
    __builtin_memcpy(parts + 4, &sums.second, 16);
    for (std::size_t r = 0; r < 4; ++r) out[r] = parts[2 * r] + parts[2 * r + 1];
}
#elif defined(__ARM_NEON) && !defined(EG_SCALAR)
typedef int8x16_t Bytes;
#if defined(__ARM_FEATURE_DOTPROD)
struct Sums {
    int32x4_t all = vdupq_n_s32(0);
};
constexpr std::size_t kTogether = 8;
void add_half(Sums& sums, Bytes halves, Bytes values) {
    sums.all = vdotq_s32(sums.all, halves, values);
}
void store(std::int32_t* out, const Sums& sums) { vst1q_s32(out, sums.all); }
#else
struct Sums {
    int32x4_t first = vdupq_n_s32(0), second = vdupq_n_s32(0);  // two of each row
};
constexpr std::size_t kTogether = 2;
void add_half(Sums& sums, Bytes halves, Bytes values) {
    sums.first = vpadalq_s16(sums.first, vmull_s8(vget_low_s8(halves), vget_low_s8(values)));
    sums.second = vpadalq_s16(sums.second, vmull_s8(vget_high_s8(halves), vget_high_s8(values)));
}
void store(std::int32_t* out, const Sums& sums) {
    vst1q_s32(out, vpaddq_s32(sums.first, sums.second));
}
#endif

Bytes load(const void* from) { return vld1q_s8(static_cast<const std::int8_t*>(from)); }
Bytes spread(std::int32_t quad) { return vreinterpretq_s8_s32(vdupq_n_s32(quad)); }
void add(Sums& sums, Bytes rows, Bytes first, Bytes second) {
    const uint8x16_t bytes = vreinterpretq_u8_s8(rows);
    add_half(sums, vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))), first);
    add_half(sums, vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4)), second);
}
#else
struct Bytes {
    std::uint8_t values[4];
};
struct Sums {
    std::int32_t all = 0;
};
constexpr std::size_t kTogether = 1;

Bytes load(const void* from) {
    Bytes bytes;
    __builtin_memcpy(&bytes, from, sizeof bytes);
    return bytes;
}
Bytes spread(std::int32_t quad) { return load(&quad); }
void add(Sums& sums, Bytes rows, Bytes first, Bytes second) {
    for (std::size_t j = 0; j < 4; ++j) {
        sums.all += (rows.values[j] & 15) * static_cast<std::int8_t>(first.values[j]);
        sums.all += (rows.values[j] >> 4) * static_cast<std::int8_t>(second.values[j]);
    }
}
void store(std::int32_t* out, const Sums& sums) { *out = sums.all; }
#endif

constexpr std::size_t kRows = sizeof(Bytes) / 4;

// kTogether * kRows rows of a panel.
void multiply(const std::uint8_t* panel, const HalfVector& x, std::int32_t* out) {
    Sums sums[kTogether];
    for (std::size_t k = 0; k < x.octets; ++k, panel += kOctetBytes) {
        for (std::size_t line = 0; line < kTogether * sizeof(Bytes); line += 64)
            __builtin_prefetch(panel + kAhead + line, 0, 2);
        std::int32_t first, second;
        __builtin_memcpy(&first, x.first + 4 * k, sizeof first);
        __builtin_memcpy(&second, x.second + 4 * k, sizeof second);
        const Bytes low = spread(first), high = spread(second);
        for (std::size_t v = 0; v < kTogether; ++v)
            add(sums[v], load(panel + v * sizeof(Bytes)), low, high);
    }
    for (std::size_t v = 0; v < kTogether; ++v) store(out + v * kRows, sums[v]);
}

}  // namespace

void multiply_halves(const std::uint8_t* panels, std::size_t n, const HalfVector& x,
                     std::int32_t* out) {
    for (std::size_t p = 0; p < n; ++p, panels += kOctetBytes * x.octets, out += kLaneRows) {
        for (std::size_t r = 0; r < kLaneRows; r += kTogether * kRows)
            multiply(panels + 4 * r, x, out + r);
    }
}

void multiply_lower(const std::uint8_t* rows, const std::uint32_t* which, std::size_t n,
                    const HalfVector& x, std::int32_t* out) {
    const std::size_t bytes = (4 * x.octets + kHalfLine - 1) / kHalfLine * kHalfLine;
    const std::size_t rows_ahead = kAhead / bytes + 1;
    for (std::size_t k = 0; k < n; ++k) {
        const std::uint8_t* row = rows + which[k] * bytes;
        const std::uint8_t* ahead = rows + which[k + rows_ahead < n ? k + rows_ahead : n - 1] * bytes;
        Sums sums;
        for (std::size_t i = 0; i < bytes; i += kHalfLine) {
            __builtin_prefetch(ahead + i);
            for (std::size_t part = i; part < i + kHalfLine; part += sizeof(Bytes))
                add(sums, load(row + part), load(x.first + part), load(x.second + part));
        }
        std::int32_t parts[kRows], sum = 0;
        store(parts, sums);
        for (const std::int32_t part : parts) sum += part;
        out[k] = sum;
    }
}

float estimate_halves(const std::int32_t* products, const float* squares, const float* scales,
                      std::size_t n, std::int32_t bias, float factor, float* out) {
    float lanes[kLaneRows];
    for (float& lane : lanes) lane = __builtin_inff();
    for (std::size_t first = 0; first < n; first += kLaneRows) {
#pragma omp simd
        for (std::size_t r = 0; r < kLaneRows; ++r) {
            const auto product = static_cast<float>(products[first + r] - bias);
            const float value = squares[first + r] + factor * scales[first + r] * product;
            out[first + r] = value;
            lanes[r] = value < lanes[r] ? value : lanes[r];
        }
    }
    float least = __builtin_inff();
    for (const float lane : lanes) least = lane < least ? lane : least;
    return least;
}

}  // namespace eg::simd::EG_LEVEL
