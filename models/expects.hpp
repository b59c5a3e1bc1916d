#pragma once
#include "models/problem.hpp"

#include <string>

/// States what must be true on the host; always on. Throws InternalError: our mistake, never the user's.
/// Inside a trial use `WT_CHECK` (models/fault.hpp), which works on a device too.
#define WT_EXPECTS(condition)                                                                        \
    do {                                                                                             \
        if (!(condition))                                                                            \
            throw ::windtunnel::InternalError(std::string(__FILE__ ":") + std::to_string(__LINE__) + \
                                              ": broken expectation: " #condition);                  \
    } while (false)
