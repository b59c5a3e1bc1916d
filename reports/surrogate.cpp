#include "reports/surrogate.hpp"

#include "models/expects.hpp"

#include <algorithm>
#include <cmath>
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <limits>

namespace windtunnel {

namespace {

/// Values are standardised to a variance of 1: these are in that unit.
constexpr double constant_variance = 1, linear_variance = 2, quadratic_variance = 0.3, rest_variance = 1;
constexpr double length_scales[] = {0.25, 0.5, 1, 2, 4};
constexpr double noises[] = {1e-4, 1e-3, 1e-2};

}  // namespace

struct Surrogate::Fitted {
    std::vector<std::vector<double>> places;
    std::vector<double> lengths;  ///< [dimension]
    double noise = 1e-3, mean = 0, scale = 1;
    Eigen::LLT<Eigen::MatrixXd> factor;
    Eigen::VectorXd weights;

    [[nodiscard]] double covariance(const std::vector<double>& a, const std::vector<double>& b,
                                    const std::vector<std::size_t>& group) const {
        double inner = 0, distance = 0;
        for (std::size_t i = 0; i < a.size(); ++i) {
            // About the middle of the space, so that the quadratic has its centre there.
            inner += (a[i] - 0.5) * (b[i] - 0.5);
            const double d = (a[i] - b[i]) / lengths[group[i]];
            distance += d * d;
        }
        return constant_variance + linear_variance * inner + quadratic_variance * inner * inner +
               rest_variance * std::exp(-0.5 * distance);
    }
    /// Log-likelihood of the standardised values, less a constant.
    double solve(const Eigen::VectorXd& values, const std::vector<std::size_t>& group) {
        const auto n = static_cast<Eigen::Index>(places.size());
        Eigen::MatrixXd k(n, n);
        for (Eigen::Index i = 0; i < n; ++i)
            for (Eigen::Index j = 0; j <= i; ++j)
                k(i, j) = k(j, i) = covariance(places[static_cast<std::size_t>(i)],
                                               places[static_cast<std::size_t>(j)], group) +
                                    (i == j ? noise : 0);
        factor.compute(k);
        if (factor.info() != Eigen::Success) return -std::numeric_limits<double>::infinity();
        weights = factor.solve(values);
        double log_determinant = 0;
        for (Eigen::Index i = 0; i < n; ++i) log_determinant += std::log(factor.matrixLLT()(i, i));
        return -0.5 * values.dot(weights) - log_determinant;
    }
};

Surrogate::Surrogate(std::vector<std::size_t> group) : m_group(std::move(group)) {}
Surrogate::~Surrogate() = default;
Surrogate::Surrogate(Surrogate&&) noexcept = default;
Surrogate& Surrogate::operator=(Surrogate&&) noexcept = default;

void Surrogate::fit(const std::vector<std::vector<double>>& places, const std::vector<double>& values) {
    WT_EXPECTS(places.size() == values.size() && places.size() >= 2);
    m_fitted = std::make_unique<Fitted>();
    Fitted& f = *m_fitted;
    f.places = places;
    const std::size_t dimensions =
        m_group.empty() ? 0 : *std::max_element(m_group.begin(), m_group.end()) + 1;
    f.lengths.assign(dimensions, 1);
    const double n = static_cast<double>(values.size());
    for (const double v : values) f.mean += v / n;
    double squares = 0;
    for (const double v : values) squares += (v - f.mean) * (v - f.mean);
    f.scale = squares > 0 ? std::sqrt(squares / n) : 1;
    Eigen::VectorXd y(static_cast<Eigen::Index>(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i)
        y(static_cast<Eigen::Index>(i)) = (values[i] - f.mean) / f.scale;

    // The likeliest, one setting after the other, twice.
    double best = -std::numeric_limits<double>::infinity();
    const auto choose = [&](double& setting, const auto& among) {
        double chosen = setting;
        for (const double candidate : among) {
            setting = candidate;
            const double likelihood = f.solve(y, m_group);
            if (likelihood <= best) continue;
            best = likelihood;
            chosen = candidate;
        }
        setting = chosen;
    };
    for (int round = 0; round < 2; ++round) {
        for (double& length : f.lengths) choose(length, length_scales);
        choose(f.noise, noises);
    }
    f.solve(y, m_group);
}

Guess Surrogate::at(const std::vector<double>& place) const {
    WT_EXPECTS(m_fitted != nullptr);
    const Fitted& f = *m_fitted;
    Eigen::VectorXd k(static_cast<Eigen::Index>(f.places.size()));
    for (std::size_t i = 0; i < f.places.size(); ++i)
        k(static_cast<Eigen::Index>(i)) = f.covariance(place, f.places[i], m_group);
    const Eigen::VectorXd solved = f.factor.matrixL().solve(k);
    const double variance = f.covariance(place, place, m_group) - solved.squaredNorm();
    return {f.mean + f.scale * k.dot(f.weights), f.scale * std::sqrt(std::max(variance, 1e-12))};
}

}  // namespace windtunnel
