#include "scenarios/traces/renewal.hpp"

#include "models/expects.hpp"

#include <boost/math/special_functions/gamma.hpp>
#include <cmath>

namespace windtunnel {
namespace {

double weibull_cv(double shape) {
    // CV^2 + 1 = G(1 + 2/k) / G(1 + 1/k)^2
    return std::sqrt(std::expm1(std::lgamma(1 + 2 / shape) - 2 * std::lgamma(1 + 1 / shape)));
}

QuantileTable gap_table(GapFamily family, double shape, double mean) {
    switch (family) {
        case GapFamily::exponential:
            return exponential_table(mean);
        case GapFamily::gamma:
            return gamma_table(shape, mean / shape);
        case GapFamily::weibull:
            return weibull_table(shape, mean / std::tgamma(1 + 1 / shape));
        case GapFamily::constant:
            break;
    }
    return constant_table(static_cast<std::int64_t>(mean));
}

/// The same distribution weighted by the gap's own length.
QuantileTable biased_table(GapFamily family, double shape, double mean) {
    switch (family) {
        case GapFamily::exponential:
            return gamma_table(2, mean);
        case GapFamily::gamma:
            return gamma_table(shape + 1, mean / shape);
        case GapFamily::weibull: {
            // With density ~ x^k exp(-(x/s)^k), (x/s)^k is Gamma(1 + 1/k).
            const double weibull_scale = mean / std::tgamma(1 + 1 / shape), order = 1 + 1 / shape;
            return make_quantile_table(
                [=](double p, double q) {
                    const double y =
                        p < q ? boost::math::gamma_p_inv(order, p) : boost::math::gamma_q_inv(order, q);
                    return weibull_scale * std::pow(y, 1 / shape);
                },
                0, largest_table_value);
        }
        case GapFamily::constant:
            break;
    }
    return constant_table(0);
}

}  // namespace

UnitGaps::UnitGaps(GapFamily family, double shape)
    : m_family(family),
      m_gaps(gap_table(family, shape, static_cast<double>(scale))),
      m_length_biased(biased_table(family, shape, static_cast<double>(scale))) {}

double UnitGaps::first(RandomStream& stream) const {
    if (m_family == GapFamily::constant) return 0;
    const double gap = unit * static_cast<double>(m_length_biased.sample(stream.next_u64()));
    return gap * stream.uniform_open();
}

const UnitGaps& RenewalTables::get(GapFamily family, double shape) {
    if (family == GapFamily::exponential || family == GapFamily::constant) shape = 1;
    WT_EXPECTS(shape > 0);
    const double digits = std::pow(10.0, std::floor(std::log10(shape)) - 2);
    shape = std::round(shape / digits) * digits;
    const auto found = m_tables.find({family, shape});
    if (found != m_tables.end()) return found->second;
    return m_tables.emplace(std::pair{family, shape}, UnitGaps(family, shape)).first->second;
}

double shape_of_cv(GapFamily family, double cv) {
    WT_EXPECTS(cv > 0);
    if (family == GapFamily::gamma) return 1 / (cv * cv);
    if (family != GapFamily::weibull) return 1;
    double low = 0.05, high = 100;  // cv falls from above 10^5 to 0.013
    for (int i = 0; i < 200; ++i) {
        const double middle = std::sqrt(low * high);
        (weibull_cv(middle) > cv ? low : high) = middle;
    }
    return std::sqrt(low * high);
}

}  // namespace windtunnel
