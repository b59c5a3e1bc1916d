#pragma once
#include <Eigen/Dense>
#include <functional>

namespace windtunnel::accuracy {

/// Positive parameters for which the residuals are smallest, robustly: residuals beyond `knee` count linearly
/// (Huber). Levenberg and Marquardt's method on the logarithms of the parameters, which so stay positive.
struct LeastSquares {
    int most_rounds = 40;
    double knee = 0.2;
    /// How strongly a parameter is held to where it starts: the residual of a change by a factor e. 0 = free.
    Eigen::VectorXd hold;
    std::function<void(int round, double cost)> progress;

    using Residuals = std::function<Eigen::VectorXd(const Eigen::VectorXd& parameters)>;
    [[nodiscard]] Eigen::VectorXd operator()(const Residuals& residuals, Eigen::VectorXd start) const;
};

}  // namespace windtunnel::accuracy
