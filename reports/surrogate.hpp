#pragma once
#include <cstddef>
#include <memory>
#include <vector>

namespace windtunnel {

/// A guess of a number at a place where nothing was measured.
struct Guess {
    double mean = 0;
    double deviation = 0;
};

/// A quadratic response surface with what is left of it as a Gaussian process (universal kriging in its
/// Bayesian form; Rasmussen and Williams 2006, sections 2.2, 2.7 and 5.4): where little was measured the
/// quadratic speaks, near what was measured the measurements do. Length scales by dimension and the noise are
/// those that make the measurements likeliest, out of a few. Everything is computed in order on one thread:
/// same measurements, same bits.
class Surrogate {
public:
    /// `group[i]`: the dimension that coordinate i belongs to (a dimension without an order has one
    /// coordinate for each of its values).
    explicit Surrogate(std::vector<std::size_t> group);
    ~Surrogate();
    Surrogate(Surrogate&&) noexcept;
    Surrogate& operator=(Surrogate&&) noexcept;

    /// Requires at least two places, each with as many coordinates as there are groups; coordinates are of
    /// order 1.
    void fit(const std::vector<std::vector<double>>& places, const std::vector<double>& values);
    [[nodiscard]] Guess at(const std::vector<double>& place) const;

private:
    struct Fitted;
    std::vector<std::size_t> m_group;
    std::unique_ptr<Fitted> m_fitted;
};

}  // namespace windtunnel
