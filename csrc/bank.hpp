// Exact nearest neighbours in a bank of rows, most of them ruled out by one byte a value.
//
// The answer is brute force's: D_i = sum (x - r_i)^2 in float64 (simd/exact.cpp, the same bits at
// every level), the smallest wins, the first of equals. A row is left out only where its D is
// proven to be larger than one already computed.
//
// Proof. Centred on c, divided by a power of two so that |u_i| <= 1, and turned by an orthogonal T,
// which leaves products as they are. (Layout::halves: that of simd/turn.cpp, which makes the values
// of a row much alike and E_i two to three times smaller; Layout::bytes: signs, since turning the
// hundreds of vectors of a map took longer than what it saved.)
//   u_i = T (r_i - c) / 2^k = s_i q_i + e_i,   q_i whole numbers of -119 ... 119
//   y   = T (x   - c) / 2^k = t p     + f,     p whole numbers of 8 or 7 bits
//   |y - u_i|^2 = |y|^2 + g_i,  g_i = |u_i|^2 - 2 y.u_i,  and the estimate of g_i is
//   h_i = |u_i|^2 - 2 t s_i (p.q_i)        with p.q_i exact in 32 bits
//   g_i - h_i = -2 (t p.e_i + f.u_i),  so by Cauchy and Schwarz, with |t p| <= |y| + |f| = Y,
//   |g_i - h_i| <= 2 Y |e_i| + 2 |f| |u_i|.
// h_i is computed in float32: its product is rounded four times, |u_i|^2 once, their sum once, and
// |2 t s_i (p.q_i)| <= 2 Y (|u_i| + |e_i|); turning in float64 moves y and u_i by less than the
// share 2^-47 of their lengths. So this adds less than
//   k (2 Y (|u_i| + |e_i|) + |u_i|^2), k = 2^-20, and 1e-34 for what falls below float32.
// Together: |g_i - h_i| <= 2 Y E_i + 2 |f| U_i + k U_i^2 + 1e-34 =: b_i, where
//   U_i >= |u_i|,  E_i >= |e_i| + k (|u_i| + |e_i|).
// Each D and |y|^2 is off by less than the share w = (columns + 16) 2^-52. Let D be the smallest
// found so far, over 4^k. Row i is skipped where
//   h_i - b_i > D (1 + 3 w) - |y|^2 (1 - 3 w),
// since then |y - u_i|^2 > D (1 + 2 w), and the computed D_i is larger than D.
//
// Layout::halves, for one x at a time, reads half the memory: q_i = 16 a_i + l_i with a_i of
// -7 ... 7 and l_i of -8 ... 7, in arrays of their own. All of the above holds for 16 s_i and a_i in
// place of s_i and q_i, with an e_i sixteen times as long; only of rows that this does not rule out
// is l_i read, and of those that q_i does not rule out, r_i. Each is read once at most.
//
// Where this proves little (every row as near as the next, or an x so far out that float64 cannot
// tell rows apart) more rows are computed exactly, at worst all: brute force and a quarter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "pages.hpp"
#include "simd/table.hpp"

namespace eg {

struct Matrix {  // row-major
    std::vector<float> values;
    std::size_t rows = 0;
    std::size_t columns = 0;
};

struct Match {
    double distance;   // squared; NaN where x has a NaN, else +inf where it is infinite
    std::int32_t row;  // -1 where no row is at a finite distance
};

enum class Layout : std::uint8_t {
    bytes,   // panels of bytes: many vectors are searched for together
    halves,  // panels of upper halves, rows of lower ones: one vector at a time
};

// Rows and their bytes. Never changes, so any number of searches may share one.
class Bank {
public:
    // Throws std::invalid_argument unless values are finite and rows and columns few enough.
    Bank(const Matrix& rows, Layout layout);
    std::size_t rows() const { return n_rows_; }
    std::size_t columns() const { return n_columns_; }
    Layout layout() const { return layout_; }
    const float* row(std::size_t i) const { return values_.data() + i * n_columns_; }

private:
    friend class Search;
    struct Errors {  // of one way to store rows: s_i, E_i and the largest of these
        std::vector<float> scales, errors;
        double largest = 0;
        void set(std::size_t i, double scale, double norm, double rest);
    };

    void set_center();
    void set_factors();
    void pack(std::size_t i);
    void pack_bytes(std::size_t i, const std::vector<std::int32_t>& integers);
    void pack_halves(std::size_t i, const std::vector<std::int32_t>& integers);
    void leave_out_repetitions();
    std::size_t octets() const { return (n_columns_ + 7) / 8; }
    std::size_t half_row() const { return (4 * octets() + kHalfLine - 1) / kHalfLine * kHalfLine; }
    const std::uint8_t* lower(std::size_t i) const { return lower_.data() + i * half_row(); }
    // y and |y|^2, before it is turned.
    double turned(const float* x, double* y) const;

    std::size_t n_rows_, n_columns_, quads_;
    Layout layout_;
    Pages<float> values_;
    double scale_ = 1;             // 2^-k
    std::vector<double> center_;   // c
    std::vector<double> factors_;  // 2^-k with the signs of T
    Pages<std::uint8_t> packed_;   // q_i + 128, or a_i + 8
    Pages<std::uint8_t> lower_;    // l_i + 8
    std::vector<float> squares_;   // |u_i|^2; +inf for rows that never win
    std::vector<float> norms_;     // U_i
    Errors whole_, half_;
    double largest_norm_ = 0;
    std::vector<double> row_;      // while packing
};

// Searches a bank for up to `n` vectors at a time; the buffers are its own: one call at a time.
class Search {
public:
    // Throws std::invalid_argument where n > 1 and the bank's layout is for one.
    Search(const Bank& bank, std::size_t n);
    // x: (n, columns), rows `stride` apart. Allocates nothing.
    void run(const float* x, std::size_t stride, Match* found);

private:
    struct Query {
        const float* x;
        double square, reach, rest;  // |y|^2, 2 Y, 2 |f|
        double limit;                // what h_i - b_i must not exceed
        bool searched;
        Match best;
    };

    int largest_integer() const;
    void prepare(std::size_t i, const float* x);
    void pack_blocks();
    void pack_half_vector();
    void search_bytes(std::size_t first_panel, std::size_t panels);
    void search_halves(std::size_t first_panel, std::size_t panels);
    std::size_t refine(Query& query, std::size_t first, std::size_t count);
    std::size_t shortlist(const Query& query, const float* estimates, std::size_t n, float least,
                          double largest_error);
    void compare_nearest(Query& query, const float* estimates, std::size_t first,
                         std::size_t count);
    void compare_near(Query& query, const float* estimates, std::size_t first, std::size_t count);
    void fetch(std::size_t row) const;
    void compare(Query& query, std::size_t row) const;
    void compare_all(Query& query) const;
    double share() const;
    double bound(const Query& query, double error, double norm) const;

    const Bank* bank_;
    std::size_t chunk_;  // panels whose estimates are kept at a time
    std::vector<Query> queries_;
    std::vector<float> factors_;
    std::vector<std::int32_t> biases_;
    std::vector<std::int16_t> integers_;
    std::vector<double> turned_;
    std::vector<std::uint64_t> values_;
    std::vector<simd::QueryBlock> blocks_;
    std::vector<std::int8_t> first_, second_;  // of a HalfVector
    std::vector<std::int32_t> products_, lower_;  // p.(a_i + 8), p.(l_i + 8)
    std::vector<float> estimates_;
    std::vector<std::uint32_t> near_;
};

}  // namespace eg
