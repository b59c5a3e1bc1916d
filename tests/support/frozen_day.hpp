#pragma once
#include "sim/run_trial.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

/// A compiled scenario and its requests as the bytes that they are in memory, for a program of the same
/// sources on a machine that has no reader of scenarios: a blueprint holds no addresses, nor does a request.
namespace windtunnel {

struct FrozenDay {
    BlueprintBlock block{sizeof(Blueprint)};
    std::vector<Request> requests;
    Tick span;

    [[nodiscard]] WorkloadView workload() const { return {requests.data(), requests.size(), span}; }
};

/// What stands before the two arrays. The sizes tell other sources from these.
struct FrozenHeader {
    char name[8] = {'W', 'T', 'F', 'R', 'O', 'Z', 'E', 'N'};
    std::uint64_t blueprint_size = sizeof(Blueprint), tally_size = sizeof(Tally),
                  server_size = sizeof(ServerConfig);
    std::uint64_t blueprint_bytes = 0, requests = 0;
    Tick span;
};

/// Requires requests without prefix hashes.
inline void write_frozen(const std::string& file, const Blueprint& blueprint,
                         const std::vector<Request>& requests, Tick span) {
    if (std::any_of(requests.begin(), requests.end(), [](const Request& r) { return r.prefix_count > 0; }))
        throw std::runtime_error("requests with prefix hashes are not frozen");
    FrozenHeader header;
    header.blueprint_bytes = blueprint.bytes;
    header.requests = requests.size();
    header.span = span;
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(&header), sizeof(header));
    out.write(reinterpret_cast<const char*>(&blueprint), static_cast<std::streamsize>(blueprint.bytes));
    out.write(reinterpret_cast<const char*>(requests.data()),
              static_cast<std::streamsize>(requests.size() * sizeof(Request)));
    out.close();
    if (!out) throw std::runtime_error("could not be written: " + file);
}

inline FrozenDay read_frozen(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    const FrozenHeader mine;
    FrozenHeader header;
    in.read(reinterpret_cast<char*>(&header), sizeof(header));
    if (!in || std::memcmp(header.name, mine.name, sizeof(mine.name)) != 0)
        throw std::runtime_error("no frozen scenario: " + file);
    if (header.blueprint_size != mine.blueprint_size || header.tally_size != mine.tally_size ||
        header.server_size != mine.server_size)
        throw std::runtime_error("frozen by other sources: " + file);
    FrozenDay day{BlueprintBlock(header.blueprint_bytes), std::vector<Request>(header.requests), header.span};
    in.read(reinterpret_cast<char*>(day.block.bytes()), static_cast<std::streamsize>(header.blueprint_bytes));
    in.read(reinterpret_cast<char*>(day.requests.data()),
            static_cast<std::streamsize>(header.requests * sizeof(Request)));
    if (!in) throw std::runtime_error("cut short: " + file);
    return day;
}

}  // namespace windtunnel
