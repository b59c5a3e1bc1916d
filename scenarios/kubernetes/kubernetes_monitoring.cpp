// PrometheusRule, and the rules of prometheus-adapter, through which an HPA's names reach their series.
#include "scenarios/kubernetes/kubernetes_monitoring.hpp"

#include "policies/promql_lexer.hpp"
#include "scenarios/kubernetes/config_map.hpp"

#include <algorithm>
#include <iterator>

namespace windtunnel {
namespace {

bool matches_whole(const std::string& text, const std::string& pattern) {
    return std::regex_match(text, std::regex(pattern.empty() ? ".*" : pattern));
}
/// Go's Regexp.MatchString: anywhere in the text.
bool matches_within(const std::string& text, const std::string& pattern) {
    return std::regex_search(text, std::regex(pattern));
}

bool is_pattern(const std::string& pattern) {
    try {
        const std::regex compiled(pattern);
        return true;
    } catch (const std::regex_error&) {
        return false;
    }
}

std::string pattern_at(Decoder& owner, const std::string& key) {
    const std::string pattern = owner.text(key).value_or("");
    if (is_pattern(pattern)) return pattern;
    owner.error(key, "found \"" + pattern + "\", allowed: a regular expression");
    return "";
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

/// Splits `name{a="b",__name__=~"^x"}` into the name, a pattern for it and the other matchers.
void split_series_query(const std::string& text, AdapterRule& out) {
    const std::size_t brace = text.find('{');
    out.series_name = text.substr(0, brace);
    std::erase(out.series_name, ' ');
    if (brace == std::string::npos) return;
    const std::string inside = text.substr(brace + 1, text.rfind('}') - brace - 1);
    std::string part;
    bool in_quotes = false;
    const auto finish = [&] {
        part.erase(0, part.find_first_not_of(" \n\t"));
        if (part.starts_with("__name__")) {
            const std::size_t quote = part.find_first_of("\"'");
            const bool regex = part.find("=~") != std::string::npos;
            const std::string value = part.substr(quote + 1, part.size() - quote - 2);
            if (part.find('=') == std::string::npos || part.find("!") < quote) return;
            if (regex) out.name_pattern = is_pattern(value) ? value : ".*";
            else out.series_name = value;
        } else if (!part.empty()) {
            out.series_matchers += (out.series_matchers.empty() ? "" : ",") + part;
        }
    };
    for (const char c : inside) {
        if (c == '"' || c == '\'') in_quotes = !in_quotes;
        if (c == ',' && !in_quotes) {
            finish();
            part.clear();
        } else {
            part += c;
        }
    }
    finish();
}

AdapterRule decode_adapter_rule(Decoder& item, bool external) {
    AdapterRule out;
    out.external = external;
    out.where = item.where();
    split_series_query(item.required_text("seriesQuery"), out);
    for (Decoder& filter : item.children("seriesFilters")) {
        const bool is = filter.has("is");
        out.filters.emplace_back(is, pattern_at(filter, is ? "is" : "isNot"));
        filter.finish();
    }
    Decoder resources = item.child("resources");
    const std::string label = resources.text("template").value_or("<<.Resource>>");
    for (const char* resource : {"pod", "namespace", "service", "deployment", "node"}) {
        std::string name = label;
        replace_all(name, "<<.Resource>>", resource);
        replace_all(name, "<<.Group>>", "");
        out.labels[resource] = name;
    }
    Decoder overrides = resources.child("overrides");
    for (const Node& member : overrides.node().children) {
        Decoder override_ = overrides.child(member.key);
        std::string resource = override_.text("resource").value_or("");
        if (resource == "pods") resource = "pod";
        if (resource == "namespaces") resource = "namespace";
        if (!resource.empty()) out.labels[resource] = member.key;
        override_.quiet({"group"});
        override_.finish();
    }
    resources.quiet({"namespaced"});
    resources.finish();
    Decoder name = item.child("name");
    out.matches = pattern_at(name, "matches");
    out.as = name.text("as").value_or("");
    name.finish();
    out.query = item.required_text("metricsQuery");
    item.finish();
    return out;
}

}  // namespace

std::optional<std::string> AdapterRule::metric_of(const std::string& series) const {
    if (!series_name.empty() && series != series_name) return std::nullopt;
    if (!matches_whole(series, name_pattern)) return std::nullopt;
    for (const auto& [is, pattern] : filters)
        if (matches_within(series, pattern) != is) return std::nullopt;
    if (matches.empty()) return as.empty() ? series : as;
    const std::regex pattern(matches);
    std::smatch found;
    if (!std::regex_search(series, found, pattern)) return std::nullopt;
    // Go writes groups as ${1} or $1; without `as` the first group, if there is one, is the name.
    std::string to = as.empty() ? (pattern.mark_count() > 0 ? "$1" : "$0") : as;
    for (std::size_t group = 0; group < 10; ++group) {
        const std::string text = group < found.size() ? found[group].str() : "";
        replace_all(to, "${" + std::to_string(group) + "}", text);
        replace_all(to, "$" + std::to_string(group), text);
    }
    return std::string(found.prefix()) + to + std::string(found.suffix());
}

std::string AdapterRule::label_of(const std::string& resource) const {
    const auto found = labels.find(resource);
    return found == labels.end() ? resource : found->second;
}

std::string AdapterRule::query_of(const std::string& series, const std::string& matchers,
                                  const std::string& resource) const {
    std::string all = series_matchers;
    if (!matchers.empty()) all += (all.empty() ? "" : ",") + matchers;
    std::string out = query;
    const std::string group = resource.empty() ? "" : label_of(resource);
    // Templates are Go's; white space inside the marks is free.
    for (const auto& [mark, value] : std::initializer_list<std::pair<std::string, std::string>>{
             {".Series", series}, {".LabelMatchers", all}, {".GroupBy", group}}) {
        replace_all(out, "<<" + mark + ">>", value);
        replace_all(out, "<< " + mark + " >>", value);
    }
    replace_all(out, ",}", "}");
    replace_all(out, "by ()", "");
    return out;
}

void PrometheusRules::add(PrometheusRules more) {
    std::move(more.recording.begin(), more.recording.end(), std::back_inserter(recording));
    std::move(more.alerting.begin(), more.alerting.end(), std::back_inserter(alerting));
}

std::optional<Tick> prometheus_duration(Decoder& owner, const std::string& key) {
    const auto text = owner.text(key);
    if (!text) return std::nullopt;
    std::int64_t ms = 0;
    if (*text == "0" || (read_promql_duration(*text, ms) && ms <= 365 * std::int64_t{86'400'000}))
        return Tick{ms * ticks_per_millisecond};
    owner.error(key, "found \"" + *text + "\", allowed: a duration such as 30s, 5m or 1h30m, up to a year");
    return std::nullopt;
}

namespace {

void decode_rule(Decoder& rule, const AlertingRule& of_group, PrometheusRules& out) {
    if (!rule.has("expr")) rule.missing("expr", "a PromQL expression");
    if (rule.has("record") == rule.has("alert"))
        rule.error("", "has neither or both of record and alert, allowed: one of them");
    // A plain number is an expression too.
    const Node* expression = rule.take("expr");
    std::map<std::string, std::string> labels = rule.text_map("labels");
    labels.insert(of_group.labels.begin(), of_group.labels.end());  // the rule's own stand over its group's
    if (expression != nullptr && rule.has("record")) {
        out.recording.push_back(
            {rule.required_text("record"), expression->text, std::move(labels), rule.where("expr")});
    } else if (expression != nullptr && rule.has("alert")) {
        AlertingRule alert = of_group;
        alert.name = rule.required_text("alert");
        alert.expression = expression->text;
        if (const auto severity = labels.find("severity"); severity != labels.end()) alert.severity = severity->second;
        alert.labels = std::move(labels);
        alert.hold_for = prometheus_duration(rule, "for").value_or(Tick{});
        alert.keep_firing_for = prometheus_duration(rule, "keep_firing_for").value_or(Tick{});
        alert.where = rule.where("expr");
        out.alerting.push_back(std::move(alert));
    }
    rule.quiet({"alert", "record", "for", "keep_firing_for", "annotations"});
    rule.finish();
}

}  // namespace

PrometheusRules decode_rule_groups(Decoder& owner) {
    PrometheusRules out;
    for (Decoder& group : owner.children("groups")) {
        AlertingRule of_group;
        of_group.group = group.text("name").value_or("");
        of_group.labels = group.text_map("labels");
        of_group.interval = prometheus_duration(group, "interval");
        if (of_group.interval && of_group.interval->count == 0) of_group.interval.reset();
        for (Decoder& rule : group.children("rules")) decode_rule(rule, of_group, out);
        group.quiet({"query_offset", "partial_response_strategy", "limit", "rules"});
        group.finish();
    }
    return out;
}

std::vector<AdapterRule> decode_adapter_config(const Node& config_map, const std::string& file, Findings& findings) {
    std::vector<AdapterRule> out;
    for (const Node* text : texts_with(config_map, {"metricsQuery", "seriesQuery"})) {
        const auto root = map_in_text(*text, file, "prometheus-adapter's rules", findings);
        if (!root) continue;
        Decoder config(*root, "data." + text->key, file, findings);
        for (Decoder& item : config.children("rules")) out.push_back(decode_adapter_rule(item, false));
        for (Decoder& item : config.children("externalRules")) out.push_back(decode_adapter_rule(item, true));
        if (config.has("resourceRules"))
            config.note("resourceRules", "does not change the result: cpu and memory are metrics-server's");
        config.quiet({"resourceRules"});
        config.finish();
    }
    return out;
}

PrometheusRules decode_rule_config(const Node& config_map, const std::string& file, Findings& findings) {
    PrometheusRules out;
    // A rule file names what it records or what it alerts of.
    std::vector<const Node*> texts = texts_with(config_map, {"groups:", "rules:", "record:"});
    for (const Node* text : texts_with(config_map, {"groups:", "rules:", "alert:"}))
        if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
    for (const Node* text : texts) {
        const auto root = map_in_text(*text, file, "Prometheus' rule groups", findings);
        if (!root || !root->find("groups")) continue;
        Decoder rules(*root, "data." + text->key, file, findings);
        out.add(decode_rule_groups(rules));
    }
    return out;
}

}  // namespace windtunnel
