#include "reports/precision.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace windtunnel {

namespace {

void widen(Imprecision& widest, const Estimate& e, double scale, const std::string& what) {
    if (!e.value) return;
    double relative = std::numeric_limits<double>::infinity();
    if (e.ci95) {
        const double half = (e.ci95->second - e.ci95->first) / 2;
        const double size = std::max(std::fabs(*e.value), scale);
        relative = half == 0 ? 0 : size > 0 ? half / size : relative;
    }
    if (widest.what.empty() || relative > widest.half_width) widest = {relative, what};
}

}  // namespace

Imprecision least_precise(const RunResults& results) {
    const Summary summary = summarise(results);
    Imprecision widest;
    for (std::size_t i = 0; i < results.thresholds.size(); ++i)
        widen(widest, summary.thresholds[i].estimate, results.thresholds[i].limit, results.thresholds[i].expression);
    widen(widest, summary.at("mean_ttft_ms"), 0, "mean ttft_ms");
    if (!results.pools.empty()) widen(widest, summary.usd, 0, "cost");
    return widest;
}

}  // namespace windtunnel
