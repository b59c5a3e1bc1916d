#pragma once
#include "models/problem.hpp"

#include <string>

namespace windtunnel::lab {

/// A problem a line, as the program prints them.
inline std::string lines(const Problems& problems) {
    std::string out;
    for (const Problem& p : problems) out += to_string(p) + "\n";
    return out;
}

}  // namespace windtunnel::lab
