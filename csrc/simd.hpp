// The inner loops of the level in use.
#pragma once

#include "simd/table.hpp"

namespace eg::simd {

const Table& active();

}  // namespace eg::simd
