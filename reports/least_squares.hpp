#pragma once
#include <Eigen/Dense>

#include <functional>

namespace windtunnel {

/// Levenberg-Marquardt from `at`: the least squares of `errors`. Positive unknowns come as their logarithms.
inline Eigen::VectorXd least_squares(Eigen::VectorXd at,
                                     const std::function<Eigen::VectorXd(const Eigen::VectorXd&)>& errors) {
    double damping = 1e-2;
    Eigen::VectorXd now = errors(at);
    for (int step = 0; step < 200 && damping < 1e9; ++step) {
        Eigen::MatrixXd slopes(now.size(), at.size());
        for (Eigen::Index i = 0; i < at.size(); ++i) {
            Eigen::VectorXd beside = at;
            beside[i] += 1e-4;
            slopes.col(i) = (errors(beside) - now) / 1e-4;
        }
        const Eigen::MatrixXd normal = slopes.transpose() * slopes;
        const Eigen::MatrixXd damped = normal + damping * Eigen::MatrixXd::Identity(at.size(), at.size());
        const Eigen::VectorXd move = -damped.ldlt().solve(slopes.transpose() * now);
        const Eigen::VectorXd next = errors(at + move);
        if (next.squaredNorm() < now.squaredNorm()) {
            const double gain = now.squaredNorm() - next.squaredNorm();
            at += move, now = next, damping /= 4;
            if (gain < 1e-12 * (1 + now.squaredNorm())) break;
        } else {
            damping *= 4;
        }
    }
    return at;
}

}  // namespace windtunnel
