#pragma once
#include <cstddef>
#include <numeric>
#include <vector>

namespace windtunnel {

/// How much two policies' outcomes differ from trial to trial: under one seed, and where one policy's trial is set
/// against another trial of the other's.
struct PairedVariance {
    double first;   ///< of the first policy alone
    double paired;  ///< of the difference under one seed
    double apart;   ///< of the difference between neighbouring trials
};

inline double variance(const std::vector<double>& v) {
    const double mean = std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
    double sum = 0;
    for (const double x : v) sum += (x - mean) * (x - mean);
    return sum / static_cast<double>(v.size() - 1);
}

/// `a` and `b`: one number per trial, at least two, of two policies under the same seeds.
inline PairedVariance paired_variance(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> paired, apart;
    for (std::size_t i = 0; i < a.size(); ++i) {
        paired.push_back(a[i] - b[i]);
        apart.push_back(a[i] - b[(i + 1) % b.size()]);
    }
    return {variance(a), variance(paired), variance(apart)};
}

}  // namespace windtunnel
