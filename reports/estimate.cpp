#include "reports/results.hpp"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace windtunnel {

Estimate estimate(const std::vector<std::optional<double>>& per_trial) {
    Estimate out;
    double sum = 0;
    std::size_t n = 0;
    for (const auto& v : per_trial)
        if (v) {
            sum += *v;
            ++n;
        }
    if (n == 0) return out;
    const double mean = sum / static_cast<double>(n);
    out.value = mean;
    if (n < 2) return out;
    double squares = 0;
    for (const auto& v : per_trial)
        if (v) squares += (*v - mean) * (*v - mean);
    const double degrees = static_cast<double>(n - 1);
    const double error = std::sqrt(squares / degrees / static_cast<double>(n));
    const double t = boost::math::quantile(boost::math::students_t(degrees), 0.975);
    out.ci95 = {mean - t * error, mean + t * error};
    return out;
}

}  // namespace windtunnel
