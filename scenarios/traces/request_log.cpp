// Names of fields: LiteLLM's spend logs, Langfuse's observations, Helicone, Portkey and OpenRouter exports, OpenTelemetry's
// gen_ai attributes (semantic conventions 1.27 to 1.37) and OpenInference's, Envoy AI Gateway's access log, OpenAI's,
// Anthropic's and Gemini's usage objects, AIPerf's and GuideLLM's records; as documented in 2024 to 2026.
#include "scenarios/traces/request_log.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <vector>

#include "scenarios/documents/json_values.hpp"
#include "scenarios/traces/trace_builder.hpp"
#include "scenarios/traces/trace_formats.hpp"

namespace windtunnel {
namespace {

constexpr int most_nesting = 12;

constexpr const char* arrival_names[] = {
    "starttimeunix", "requeststart", "requestcreatedat", "starttime", "requesttime", "requesttimestamp", "timeofrequest", "requestedat",
    "startedat", "submittime", "submittedat", "arrivaltimestamp", "arrivaltime", "createdat", "createdtime", "created", "timestamp",
    "eventtime", "datetime", "time", "ts", "date"};
constexpr const char* prompt_names[] = {
    "prompttokens", "inputtokens", "numprompttokens", "numinputtokens", "prompttokencount", "inputtokencount", "tokensprompt", "tokensinput", "genaitokensinput", "tokensin",
    "requesttokens", "contexttokens", "inputlength", "inputlen", "promptlength", "promptlen", "usageinput", "usagedetailsinput", "tokencountprompt",
    "inputsequencelengthvalue"};
constexpr const char* output_names[] = {
    "completiontokens", "outputtokens", "numcompletiontokens", "numoutputtokens", "completiontokencount", "outputtokencount", "candidatestokencount",
    "tokenscompletion", "tokensoutput", "genaitokensoutput", "tokensout", "responsetokens", "generatedtokens", "generationtokens", "outputlength", "outputlen", "usageoutput",
    "usagedetailsoutput", "tokencountcompletion", "outputsequencelengthvalue"};
constexpr const char* max_names[] = {"maxtokens", "maxcompletiontokens", "maxoutputtokens"};
constexpr const char* model_names[] = {"model", "modelname", "modelid"};
constexpr const char* tenant_names[] = {"tenant", "tenantid", "customer", "teamid", "user", "userid"};

template <std::size_t N>
bool look_up(std::string_view name, const char* const (&names)[N], LogMeaning meaning, LogName& out) {
    for (std::size_t i = 0; i < N; ++i)
        if (name == names[i]) {
            out = {meaning, static_cast<int>(i), std::nullopt};
            return true;
        }
    return false;
}

/// A moment whose unit stands behind its name: start_time_ms, startTimeUnixNano.
bool look_up_in_unit(std::string_view name, LogName& out) {
    constexpr std::pair<const char*, int> units[] = {{"ms", -3}, {"millis", -3}, {"us", -6}, {"micros", -6}, {"ns", -9}, {"nano", -9}, {"nanos", -9}};
    for (const auto& [unit, exponent] : units) {
        if (!name.ends_with(unit) || !look_up(name.substr(0, name.size() - std::string_view(unit).size()), arrival_names, LogMeaning::arrival, out)) continue;
        out.exponent = exponent;
        return true;
    }
    return false;
}

bool look_up_any(std::string_view name, LogName& out) {
    return look_up(name, arrival_names, LogMeaning::arrival, out) || look_up(name, prompt_names, LogMeaning::prompt, out) ||
           look_up(name, output_names, LogMeaning::output, out) || look_up(name, max_names, LogMeaning::max_tokens, out) ||
           look_up(name, model_names, LogMeaning::model, out) || look_up(name, tenant_names, LogMeaning::tenant, out) ||
           look_up_in_unit(name, out);
}

/// The best member of each meaning that a record has.
struct Record {
    struct Member {
        std::string text;
        int depth = 1'000, rank = 0;
        std::optional<int> exponent;
        [[nodiscard]] bool is_given() const { return depth < 1'000; }
    };
    std::array<Member, 7> members;

    Member& operator[](LogMeaning meaning) { return members[static_cast<std::size_t>(meaning)]; }

    void offer(const std::string& path, int depth, std::string text) {
        const LogName name = find_log_name(path);
        if (name.meaning == LogMeaning::none || text.empty()) return;
        Member& held = (*this)[name.meaning];
        if (std::pair(depth, name.rank) < std::pair(held.depth, held.rank)) held = {std::move(text), depth, name.rank, name.exponent};
    }
};

using Json = nlohmann::ordered_json;

std::string scalar_text_of(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    return value.is_number() ? value.dump() : "";
}

/// OpenTelemetry's list of attributes: [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}}].
void offer_attributes(const Json& list, int depth, Record& record) {
    for (const Json& attribute : list) {
        if (!attribute.is_object() || !attribute.contains("key") || !attribute["key"].is_string() || !attribute.contains("value")) continue;
        const Json& value = attribute["value"];
        const Json& held = value.is_object() && value.size() == 1 ? value.front() : value;
        record.offer(attribute["key"].get<std::string>(), depth, scalar_text_of(held));
    }
}

void flatten(const Json& object, const std::string& path, int depth, Record& record) {
    if (depth > most_nesting) return;
    for (const auto& [key, value] : object.items()) {
        const std::string here = path.empty() ? key : path + "." + key;
        if (value.is_object()) flatten(value, here, depth + 1, record);
        else if (value.is_array() && key == "attributes") offer_attributes(value, depth, record);
        else if (!value.is_array()) record.offer(here, depth, scalar_text_of(value));
    }
}

bool holds_objects(const Json& value) {
    if (value.is_array()) return std::any_of(value.begin(), value.end(), [](const Json& v) { return v.is_object(); });
    return value.is_object() && std::any_of(value.begin(), value.end(), [](const Json& v) { return v.is_array() && holds_objects(v); });
}

class JsonLogReader {
public:
    JsonLogReader(std::string name, const TraceReadOptions& options) : m_name(std::move(name)), m_options(options) {}

    Result<Trace> read(TextInput& text) {
        const auto values = json_values(text.rest(), m_name, "JSON: one document, or one record a line");
        if (!values) return values.problems();
        for (const JsonValue& value : *values)
            if (!collect(value.json, value.line, 0)) return m_problem;
        if (m_rows.empty())
            return problem_at(m_name, 1, "", fmt::format("found {} records and none with a moment and its token counts, allowed: a start (startTime, created_at, timestamp, ...), "
                                                         "prompt_tokens and completion_tokens (or input_tokens and output_tokens, also within usage) in each record", m_without_counts));
        return build();
    }

private:
    struct Row {
        Instant at;
        Request request;
        std::string model, tenant;
        std::int64_t line = 0;
    };

    bool collect(const Json& value, std::int64_t line, int depth) {
        if (depth > most_nesting) return true;
        if (value.is_array()) {
            for (const Json& member : value)
                if ((member.is_object() || member.is_array()) && !collect(member, line, depth + 1)) return false;
            return true;
        }
        if (!value.is_object()) return true;
        Record record;
        flatten(value, "", 0, record);
        if (record[LogMeaning::prompt].is_given() && record[LogMeaning::arrival].is_given()) return take(record, line);
        bool inner = false;
        for (const Json& member : value) {
            if (!holds_objects(member)) continue;
            inner = true;
            if (!collect(member, line, depth + 1)) return false;
        }
        if (!inner) ++m_without_counts;
        return true;
    }

    bool wrong(std::int64_t line, const char* path, const std::string& text, const char* allowed) {
        m_problem = problem_at(m_name, line, path, "found " + shown(text) + ", allowed: " + allowed);
        return false;
    }

    bool take(Record& record, std::int64_t line) {
        Row row;
        row.line = line;
        const auto& [time, depth, rank, exponent] = record[LogMeaning::arrival];
        if (!m_clock.parse(time, exponent, row.at)) return wrong(line, "arrival", time, "an ISO 8601 date and time, or a number of seconds, milliseconds or nanoseconds since 1970");
        if (m_rows.empty()) m_from_start = m_clock.counts_from_start();
        else if (m_from_start != m_clock.counts_from_start()) return wrong(line, "arrival", time, "moments of one kind, as in the records before it");
        TraceBuilder counts(m_name, m_options, false);  // for its reading of numbers
        const auto read = [&](LogMeaning meaning, const char* path, std::uint32_t& out) {
            const Record::Member& member = record[meaning];
            if (!member.is_given() || counts.tokens(member.text, path, line, true, out)) return true;
            m_problem = counts.problem();
            return false;
        };
        if (!read(LogMeaning::prompt, "prompt_tokens", row.request.prompt_tokens) || !read(LogMeaning::output, "output_tokens", row.request.output_tokens) ||
            !read(LogMeaning::max_tokens, "max_tokens", row.request.max_tokens))
            return false;
        row.model = record[LogMeaning::model].text;
        row.tenant = record[LogMeaning::tenant].text;
        m_rows.push_back(std::move(row));
        return true;
    }

    Result<Trace> build() {
        TraceBuilder out(m_name, m_options, !m_from_start);
        out.sort_by_arrival(m_rows);
        for (Row& row : m_rows) {
            out.next_row();
            if (out.drops_failed(row.request)) continue;
            if (!out.model(row.model, row.line, row.request.model) || !out.tenant(row.tenant, row.line, row.request.tenant) || !out.add(row.at, row.request, row.line))
                return out.problem();
        }
        if (m_without_counts > 0) out.note(fmt::format("{} records without a moment or token counts are left out", m_without_counts));
        out.trace().format = "request-log";
        return out.finish();
    }

    std::string m_name;
    TraceReadOptions m_options;
    LogClock m_clock;
    bool m_from_start = false;
    std::vector<Row> m_rows;
    std::uint64_t m_without_counts = 0;
    Problem m_problem;
};

bool contains_any(std::string_view head, std::initializer_list<const char*> keys) {
    return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return head.find(key) != std::string_view::npos; });
}

}  // namespace

LogName find_log_name(std::string_view path) {
    const std::size_t last = path.rfind('.');
    LogName out;
    if (last == std::string_view::npos) {
        look_up_any(normalised_column(path), out);
        return out;
    }
    const std::size_t before = path.substr(0, last).rfind('.');
    const std::string_view two = before == std::string_view::npos ? path : path.substr(before + 1);
    if (look_up_any(normalised_column(two), out)) return out;
    look_up_any(normalised_column(path.substr(last + 1)), out);
    return out;
}

bool LogClock::parse(std::string_view text, std::optional<int> exponent, Instant& out) {
    constexpr std::int64_t year_2000 = 946'684'800, year_2100 = 4'102'444'800;  // seconds since 1970
    m_from_start = false;
    if (text.ends_with(" UTC")) text.remove_suffix(4);  // as BigQuery prints it
    if (m_parser.parse(text, out)) return true;
    for (const int unit : {0, -3, -6, -9}) {
        if (exponent && unit != *exponent) continue;
        if (parse_decimal_time(text, unit, out) != DecimalError::none || out.seconds >= year_2100) continue;
        m_from_start = out.seconds < year_2000;
        return unit == 0 || exponent || !m_from_start;
    }
    return false;
}

std::string found_instead(std::string_view head) {
    const std::string_view line = head.substr(0, head.find('\n'));
    if (head.find("\"resultType\"") != std::string_view::npos)
        return "found the answer of a query of Prometheus or Loki, which holds no requests; say its rate as workload.synthetic with rate_rps, profile: custom and points";
    if (head.find("\"conversations\"") != std::string_view::npos)
        return "found conversations as text, without arrivals and token counts; say workload.synthetic with a preset, or prompt_tokens and output_tokens";
    if (line.find("] \"") != std::string_view::npos && line.find(" HTTP/") != std::string_view::npos)
        return "found a web server's access log, which has no token counts; a log of the gateway or of the model server has them, or say its rate as workload.synthetic";
    return "";
}

bool is_json_log(std::string_view head) {
    if (contains_any(head, {"\"arrival_s\"", "\"hash_ids\"", "\"input_lens\"", "\"arrived_at\""})) return false;
    return contains_any(head, {"\"usage\"", "\"usageDetails\"", "\"resourceSpans\"", "\"startTime\"", "\"start_time\"", "\"created\"", "\"created_at\"", "\"createdAt\"",
                               "\"request_created_at\"", "\"request_start_ns\"", "\"timestamp_ms\"", "\"gen_ai.", "\"genai_", "\"@timestamp\"", "\"requests\"", "\"submit_time\"", "\"request_time\""});
}

Result<Trace> read_json_log(TextInput& text, const std::string& name, const TraceReadOptions& options) {
    return JsonLogReader(name, options).read(text);
}

}  // namespace windtunnel
