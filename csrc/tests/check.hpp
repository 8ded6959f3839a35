// A test harness of a few lines: CHECK counts failures and says where; no exceptions, no registry.
#pragma once

#include <cmath>
#include <cstdio>

namespace check {

inline int failures = 0;

inline void that(bool condition, const char* text, const char* file, int line) {
    if (condition) return;
    ++failures;
    std::fprintf(stderr, "%s:%d: %s\n", file, line, text);
}

// |a - b| within `tolerance` of the larger of |b| and 1.
inline bool close(double a, double b, double tolerance) {
    return std::fabs(a - b) <= tolerance * std::fmax(1.0, std::fabs(b));
}

}  // namespace check

#define CHECK(condition) check::that((condition), #condition, __FILE__, __LINE__)
