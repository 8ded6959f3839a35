// A hash of rows of bytes, the same at every level.
#include <string.h>

#if defined(EG_SCALAR)
#elif defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "level.hpp"

namespace eg::simd::EG_LEVEL {
namespace {

constexpr std::size_t kLine = 64;

__extension__ typedef unsigned __int128 Wide;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Words of 64 bits, as many as a register holds; the product of each one's halves, and each with
// its halves exchanged.
#if defined(EG_SCALAR)
typedef std::uint64_t Words;
Words product(Words v) { return (v & 0xffffffffU) * (v >> 32); }
#elif defined(__AVX2__)
typedef std::uint64_t Words __attribute__((vector_size(32)));
Words product(Words v) {
    return reinterpret_cast<Words>(_mm256_mul_epu32(reinterpret_cast<__m256i>(v),
                                                    reinterpret_cast<__m256i>(v >> 32)));
}
#elif defined(__SSE2__)
typedef std::uint64_t Words __attribute__((vector_size(16)));
Words product(Words v) {
    return reinterpret_cast<Words>(
        _mm_mul_epu32(reinterpret_cast<__m128i>(v), reinterpret_cast<__m128i>(v >> 32)));
}
#elif defined(__ARM_NEON)
typedef uint64x2_t Words;
Words product(Words v) { return vmull_u32(vmovn_u64(v), vshrn_n_u64(v, 32)); }
#else
typedef std::uint64_t Words;
Words product(Words v) { return (v & 0xffffffffU) * (v >> 32); }
#endif

#if defined(__AVX2__) && !defined(EG_SCALAR)
Words exchanged(Words v) {
    return reinterpret_cast<Words>(_mm256_shuffle_epi32(reinterpret_cast<__m256i>(v), 0xb1));
}
#else
Words exchanged(Words v) { return v << 32 | v >> 32; }
#endif

constexpr std::size_t kVectors = kLine / sizeof(Words);

// The scheme of XXH3 (Yann Collet 2019).
const std::uint64_t kKeys[] = {
    0xa0761d6478bd642fULL, 0xe7037ed1a0b428dbULL, 0x8ebc6af09c88c6e3ULL, 0x589965cc75374cc3ULL,
    0x1d8e4e27c47d124fULL, 0xeb44accab455d165ULL, 0x9e3779b97f4a7c15ULL, 0xc2b2ae3d27d4eb4fULL};
const std::uint64_t kSteps[] = {
    0x9e3779b185ebca87ULL, 0xc2b2ae3d27d4eb4fULL, 0x165667b19e3779f9ULL, 0x85ebca77c2b2ae63ULL,
    0x27d4eb2f165667c5ULL, 0xff51afd7ed558ccdULL, 0xc4ceb9fe1a85ec53ULL, 0xd6e8feb86659fd93ULL};

struct Hash {
    Words sums[kVectors], keys[kVectors], steps[kVectors];
};

// 64 bytes; the keys move on, so that the order of lines counts.
void add_line(Hash& hash, const std::uint8_t* line) {
    for (std::size_t i = 0; i < kVectors; ++i) {
        Words value;
        memcpy(&value, line + i * sizeof value, sizeof value);
        hash.sums[i] += product(value ^ hash.keys[i]) + exchanged(value);
        hash.keys[i] += hash.steps[i];
    }
}

}  // namespace

void begin_hash(HashState& state) {
    memcpy(state.sums, kSteps, sizeof state.sums);
    memcpy(state.keys, kKeys, sizeof state.keys);
}

void add_hash(const std::uint8_t* raw, std::size_t n, HashState& state) {
    Hash hash;
    memcpy(hash.sums, state.sums, sizeof hash.sums);
    memcpy(hash.keys, state.keys, sizeof hash.keys);
    memcpy(hash.steps, kSteps, sizeof hash.steps);
    for (; n >= kLine; n -= kLine, raw += kLine) add_line(hash, raw);
    if (n > 0) {
        std::uint8_t rest[kLine] = {};
        memcpy(rest, raw, n);
        add_line(hash, rest);
    }
    memcpy(state.sums, hash.sums, sizeof hash.sums);
    memcpy(state.keys, hash.keys, sizeof hash.keys);
}

std::uint64_t end_hash(const HashState& state, std::uint64_t seed) {
    std::uint64_t mixed = seed;
    for (std::size_t i = 0; i < 8; i += 2) {
        mixed = mix(state.sums[i] ^ mixed, state.sums[i + 1] ^ kKeys[i]);
    }
    return mix(mixed, kKeys[7]);
}

}  // namespace eg::simd::EG_LEVEL
