#include "reports/attention_law.hpp"

#include "reports/least_squares.hpp"

#include <algorithm>
#include <cmath>

namespace windtunnel {
namespace {

AttentionLaw law_at(const Eigen::VectorXd& x, double power) {
    AttentionLaw law;
    law.fixed_s = std::exp(x[0]), law.sequence_head_s = std::exp(x[1]), law.share = std::exp(x[2]);
    law.power = power;
    return law;
}

/// The best law of one power, and its sum of squares.
std::pair<AttentionLaw, double> best_of(const std::vector<AttentionTime>& decodes, double bytes_per_second,
                                        double power) {
    const auto errors = [&](const Eigen::VectorXd& x) {
        const AttentionLaw law = law_at(x, power);
        Eigen::VectorXd out(static_cast<Eigen::Index>(decodes.size()));
        for (std::size_t i = 0; i < decodes.size(); ++i)
            out[static_cast<Eigen::Index>(i)] =
                std::log(law_seconds(law, decodes[i], bytes_per_second) / decodes[i].seconds);
        return out;
    };
    const Eigen::VectorXd at =
        least_squares(Eigen::Vector3d(std::log(12e-6), std::log(0.03e-6), std::log(0.8)), errors);
    return {law_at(at, power), errors(at).squaredNorm()};
}

AttentionLaw best(const std::vector<AttentionTime>& decodes, double bytes_per_second) {
    AttentionLaw out;
    double least = HUGE_VAL;
    for (const double power : {1.0, 1.25, 1.5, 2.0, 4.0})
        if (const auto [law, squares] = best_of(decodes, bytes_per_second, power); squares < least)
            out = law, least = squares;
    return out;
}

std::vector<double> errors_of(const AttentionLaw& law, const std::vector<AttentionTime>& decodes,
                              double bytes_per_second) {
    std::vector<double> out;
    for (const AttentionTime& t : decodes)
        out.push_back(std::abs(law_seconds(law, t, bytes_per_second) / t.seconds - 1));
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

double cache_bytes(const AttentionTime& t) {
    return 2.0 * static_cast<double>(t.batch * t.length) * t.kv_heads * t.head_dim * t.element_bytes;
}

double law_seconds(const AttentionLaw& law, const AttentionTime& t, double bytes_per_second) {
    const double rows = law.sequence_head_s * static_cast<double>(t.batch) * t.kv_heads,
                 bytes = cache_bytes(t) / (law.share * bytes_per_second), p = law.power;
    return std::pow(std::pow(law.fixed_s, p) + std::pow(rows, p) + std::pow(bytes, p), 1 / p);
}

AttentionLaw fit_attention_law(const std::vector<AttentionTime>& decodes, double bytes_per_second) {
    if (decodes.size() < 4) return {};
    AttentionLaw out = best(decodes, bytes_per_second);
    out.points = decodes.size();
    const std::vector<double> errors = errors_of(out, decodes, bytes_per_second);
    out.median_error = errors[errors.size() / 2], out.p90_error = errors[errors.size() * 9 / 10];
    std::vector<AttentionTime> held, kept;
    for (std::size_t i = 0; i < decodes.size(); ++i) (i % 5 == 4 ? held : kept).push_back(decodes[i]);
    if (kept.size() >= 4 && !held.empty()) {
        const std::vector<double> unseen = errors_of(best(kept, bytes_per_second), held, bytes_per_second);
        out.held_out_error = unseen[unseen.size() / 2];
    }
    return out;
}

}  // namespace windtunnel
