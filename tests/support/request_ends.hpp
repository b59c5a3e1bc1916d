#pragma once
#include "sim/laws.hpp"

#include <cstdint>
#include <map>

namespace windtunnel::lab {

/// Checks the laws, and keeps how each request ended.
struct Ends : LawObserver {
    using LawObserver::LawObserver;
    std::map<std::uint32_t, RequestRecord> of;
    void request_ended(const RequestRecord& r) override {
        LawObserver::request_ended(r);
        of[r.request] = r;
    }
};

}  // namespace windtunnel::lab
