#pragma once
#include "models/quantile_table.hpp"
#include "models/random.hpp"

#include <cstdint>
#include <map>
#include <utility>

namespace windtunnel {

/// The families of inter-arrival gaps.
enum class GapFamily { exponential, gamma, weibull, constant };

/// Gaps of mean 1 of one family and shape. The first gap of a stationary renewal process is another one: an
/// observer who arrives at a random time sees a length-biased gap and a uniform part of it. Drawing it so
/// makes the expected number of arrivals in any interval exactly its length (Cox, "Renewal Theory", 1962,
/// chapter 2); starting with an ordinary gap would bias short bursty traces by (CV^2 - 1) / 2 requests.
class UnitGaps {
public:
    UnitGaps(GapFamily family, double shape);

    /// Until the first arrival. Constant gaps start at 0: their first arrival is at once.
    [[nodiscard]] double first(RandomStream& stream) const;
    /// Between two arrivals.
    [[nodiscard]] double next(RandomStream& stream) const {
        return unit * static_cast<double>(m_gaps.sample(stream.next_u64()));
    }

private:
    static constexpr std::int64_t scale = std::int64_t{1} << 40;  // table units per gap
    static constexpr double unit = 1.0 / static_cast<double>(scale);

    GapFamily m_family;
    QuantileTable m_gaps, m_length_biased;
};

/// Tables by family and shape; shapes are rounded to three significant digits so that few are made.
class RenewalTables {
public:
    [[nodiscard]] const UnitGaps& get(GapFamily family, double shape);

private:
    std::map<std::pair<GapFamily, double>, UnitGaps> m_tables;
};

/// The shape at which the family's coefficient of variation is `cv`: gamma 1 / cv^2, Weibull by bisection.
/// Requires 0 < cv; for Weibull 0.05 <= cv <= 20.
[[nodiscard]] double shape_of_cv(GapFamily family, double cv);

}  // namespace windtunnel
