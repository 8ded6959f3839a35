// Which SIMD levels there are, which the machine can run, and which is in use.
#include "simd.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "kernels.hpp"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace eg::simd {
namespace scalar {
extern const Table table;
}
#if defined(__x86_64__)
namespace sse2 {
extern const Table table;
}
namespace avx2 {
extern const Table table;
}
namespace avx512 {
extern const Table table;
}
#elif defined(__aarch64__)
namespace neon {
extern const Table table;
}
namespace dotprod {
extern const Table table;
}
#endif

namespace {

struct Level {
    const Table* table;
    bool supported;
};

#if defined(__aarch64__)
bool has_dotprod() {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return false;
#endif
}
#endif

// __builtin_cpu_supports asks the CPU and, for the wider registers, the operating system.
std::vector<Level> built_levels() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    return {{&scalar::table, true},
            {&sse2::table, true},
            {&avx2::table, avx2},
            {&avx512::table, avx512}};
#elif defined(__aarch64__)
    return {{&scalar::table, true}, {&neon::table, true}, {&dotprod::table, has_dotprod()}};
#else
    return {{&scalar::table, true}};
#endif
}

const Table* find(const std::string& name) {
    std::string possible;
    for (const Level& level : built_levels()) {
        if (!level.supported) continue;
        if (name == level.table->name) return level.table;
        possible += (possible.empty() ? "" : ", ") + std::string(level.table->name);
    }
    throw std::invalid_argument("SIMD level '" + name +
                                "' is not one this machine can run: " + possible);
}

const Table* initial() {
    const char* forced = std::getenv("EDGE_GUARD_SIMD");
    try {
        return find(forced != nullptr && *forced != '\0' ? forced : simd_levels().back());
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(std::string("EDGE_GUARD_SIMD: ") + error.what());
    }
}

std::atomic<const Table*>& current() {
    static std::atomic<const Table*> table{initial()};
    return table;
}

}  // namespace

const Table& active() { return *current().load(std::memory_order_relaxed); }

}  // namespace eg::simd

namespace eg {

std::vector<std::string> simd_levels() {
    std::vector<std::string> names;
    for (const auto& level : simd::built_levels()) {
        if (level.supported) names.emplace_back(level.table->name);
    }
    return names;
}

const char* simd_level() { return simd::active().name; }

void set_simd_level(const std::string& name) { simd::current().store(simd::find(name)); }

}  // namespace eg
