// This SIMD level's functions, gathered for the dispatcher.
#include "level.hpp"

#define EG_TEXT_OF(name) #name
#define EG_TEXT(name) EG_TEXT_OF(name)

namespace eg::simd::EG_LEVEL {

const Table table = {EG_TEXT(EG_LEVEL), project,  squared_distance, quantize, narrow_limit,
                     pack_queries,      estimate, at_most,          pool,     widen,
                     multiply,          average,  image_sums};

}  // namespace eg::simd::EG_LEVEL
