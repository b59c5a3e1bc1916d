#pragma once
#include "models/time.hpp"
#include "reports/cluster_log.hpp"

#include <string>
#include <unordered_map>
#include <vector>

namespace windtunnel {

/// The Events of a trial. Equal ones (object, reason and message) are one with a count, as client-go's recorder
/// makes them.
class EventBook {
public:
    explicit EventBook(std::size_t most) : m_most(most) {}

    void normal(Tick at, const std::string& object, const std::string& reason, const std::string& message) {
        add(at, false, object, reason, message);
    }
    void warning(Tick at, const std::string& object, const std::string& reason, const std::string& message) {
        add(at, true, object, reason, message);
    }
    [[nodiscard]] std::vector<EventEntry> take() { return std::move(m_events); }
    [[nodiscard]] std::uint64_t omitted() const { return m_omitted; }

private:
    void add(Tick at, bool warning, const std::string& object, const std::string& reason,
             const std::string& message) {
        const auto [found, is_new] = m_index.try_emplace(object + '\n' + reason + '\n' + message, m_events.size());
        const double now = to_seconds(at);
        if (!is_new) {
            EventEntry& e = m_events[found->second];
            e.last_s = now;
            ++e.count;
        } else if (m_events.size() == m_most) {
            m_index.erase(found);
            ++m_omitted;
        } else {
            m_events.push_back({now, now, 1, warning, reason, object, message});
        }
    }

    std::size_t m_most;
    std::uint64_t m_omitted = 0;
    std::vector<EventEntry> m_events;
    std::unordered_map<std::string, std::size_t> m_index;
};

}  // namespace windtunnel
