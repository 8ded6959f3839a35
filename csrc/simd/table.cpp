// This SIMD level's functions, gathered for the dispatcher.
#include "level.hpp"

#define EG_TEXT_OF(name) #name
#define EG_TEXT(name) EG_TEXT_OF(name)

#if defined(__AVX512F__)
// Compiled for AVX-512 the loops over images are slower: comparisons go through mask registers.
namespace eg::simd::avx2 {
void image_sums(const Image& image, const ImageScratch& scratch, ImageSums& sums);
}
#define EG_IMAGE_SUMS avx2::image_sums
#else
#define EG_IMAGE_SUMS image_sums
#endif

namespace eg::simd::EG_LEVEL {

const Table table = {
    EG_TEXT(EG_LEVEL), project,      squared_distance, centre,          turn,
    quantize,          narrow_limit, pack_queries,     estimate,        multiply_halves,
    multiply_lower,    estimate_halves, at_most,       pool,            widen,
    multiply,          average,      EG_IMAGE_SUMS};

}  // namespace eg::simd::EG_LEVEL
