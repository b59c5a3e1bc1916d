#pragma once
#include "models/time.hpp"

namespace windtunnel {

/// A half-open span of simulated time.
struct ActiveInterval {
    Tick from, to;
    bool operator==(const ActiveInterval&) const = default;
};

}  // namespace windtunnel
