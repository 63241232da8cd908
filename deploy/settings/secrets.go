package settings

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// Secrets are taken from the environment variables named here.
type Secrets struct {
	// SlackBotToken, SLACK_BOT_TOKEN, begins with xoxb-.
	SlackBotToken string
	// SlackAppToken, SLACK_APP_TOKEN, begins with xapp-.
	SlackAppToken string
	// SlackAPIURL, SLACK_API_URL, points elsewhere than at Slack; ends with a slash.
	// Empty: Slack.
	SlackAPIURL string
	// RedisURL, REDIS_URL: redis://, rediss:// or unix://, with its password.
	RedisURL string
	// PagerDutyKey, PAGERDUTY_ROUTING_KEY. Empty: nobody can be paged.
	PagerDutyKey string
	// PagerDutyTestKey, PAGERDUTY_TEST_ROUTING_KEY, is that of the test service. Empty: no
	// test event can be sent.
	PagerDutyTestKey string
	// PagerDutyToken, PAGERDUTY_API_TOKEN, is an API access key that may read. Empty:
	// nobody can tell who is on call.
	PagerDutyToken string
	// OrderToken, SYNTHETIC_TEST_TOKEN, is sent with synthetic orders. Empty: they
	// are sent without.
	OrderToken string
	// GrafanaToken, GRAFANA_TOKEN, is sent to Grafana. Empty: it is asked without.
	GrafanaToken string
}

// environment is what faults of variables give as their file.
const environment = "environment"

// readSecrets takes the secrets from the environment, and adds what is wrong with
// them.
func readSecrets(env func(string) string, faults strict.Faults) (Secrets, strict.Faults) {
	get := func(name string) string { return strings.TrimSpace(env(name)) }
	s := Secrets{
		SlackBotToken: get("SLACK_BOT_TOKEN"), SlackAppToken: get("SLACK_APP_TOKEN"), SlackAPIURL: get("SLACK_API_URL"),
		RedisURL: get("REDIS_URL"), PagerDutyKey: get("PAGERDUTY_ROUTING_KEY"), PagerDutyTestKey: get("PAGERDUTY_TEST_ROUTING_KEY"), PagerDutyToken: get("PAGERDUTY_API_TOKEN"), OrderToken: get("SYNTHETIC_TEST_TOKEN"), GrafanaToken: get("GRAFANA_TOKEN"),
	}
	bad := func(format string, args ...any) {
		faults = append(faults, strict.Fault{File: environment, Text: fmt.Sprintf(format, args...)})
	}
	bot, app := s.SlackBotToken, s.SlackAppToken
	switch {
	case strings.HasPrefix(bot, "xapp-") && strings.HasPrefix(app, "xoxb-"):
		bad("SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped: the bot token begins with xoxb-, the app token with xapp-")
	default:
		if bot != "" && !strings.HasPrefix(bot, "xoxb-") {
			bad("SLACK_BOT_TOKEN is not a bot token%s: it has to begin with xoxb-; copy it from the app's page, OAuth & Permissions", looksLike(bot))
		}
		if app != "" && !strings.HasPrefix(app, "xapp-") {
			bad("SLACK_APP_TOKEN is not an app-level token%s: it has to begin with xapp-; copy it from the app's page, Basic Information", looksLike(app))
		}
	}
	if s.PagerDutyTestKey != "" && s.PagerDutyTestKey == s.PagerDutyKey {
		bad("PAGERDUTY_TEST_ROUTING_KEY is the same as PAGERDUTY_ROUTING_KEY: a test would wake whoever is on call; take the integration key of the test service")
	}
	if s.SlackAPIURL != "" {
		u, err := url.Parse(s.SlackAPIURL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			bad("SLACK_API_URL has to be an http or https address, such as https://slack.com/api/; %s", spelled)
		case apart(u):
			bad("SLACK_API_URL has an @ behind its host: %s", spelled)
		case u.Scheme == "http" && !loopback(u.Hostname()):
			bad("SLACK_API_URL would send the tokens unencrypted to %s: use https, or an address of this machine", u.Host)
		case !strings.HasSuffix(s.SlackAPIURL, "/"):
			s.SlackAPIURL += "/"
		}
	}
	if s.RedisURL != "" {
		// The parser's own error would show the password.
		u, err := url.Parse(s.RedisURL)
		if err != nil || !slices.Contains([]string{"redis", "rediss", "unix"}, u.Scheme) || u.Scheme != "unix" && u.Host == "" {
			bad("REDIS_URL has to look like redis://host:6379, rediss://user:password@host:6379 or unix:///path; %s", spelled)
		} else if u.Scheme != "unix" && apart(u) {
			bad("REDIS_URL has an @ behind its host: %s", spelled)
		}
	}
	return s, faults
}

// spelled is how a password stands in an address.
const spelled = "in a password, / is written as %2F, ? as %3F, # as %23 and @ as %40"

// apart says that an address was probably taken apart within its password: the host is
// then a piece of that, and must not be shown.
func apart(u *url.URL) bool { return strings.Contains(u.Path+"?"+u.RawQuery+"#"+u.Fragment, "@") }

// looksLike says what a token seems to be instead, without showing it.
func looksLike(token string) string {
	for prefix, what := range map[string]string{
		"xoxb-": "a bot token", "xapp-": "an app-level token", "xoxp-": "a user token", "xoxe": "a token for rotation",
		"https://": "an address",
	} {
		if strings.HasPrefix(token, prefix) {
			return " but looks like " + what
		}
	}
	return ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var whatFor = map[string]string{
	"SLACK_BOT_TOKEN":            "the app's bot token, xoxb-...",
	"SLACK_APP_TOKEN":            "the app's token for Socket Mode, xapp-...",
	"REDIS_URL":                  "where the record is kept, redis://host:6379",
	"PAGERDUTY_ROUTING_KEY":      "the integration key of the service to page",
	"PAGERDUTY_TEST_ROUTING_KEY": "the integration key of the test service",
	"PAGERDUTY_API_TOKEN":        "an API access key of PagerDuty that may read",
	"SYNTHETIC_TEST_TOKEN":       "the token of synthetic orders",
	"GRAFANA_TOKEN":              "the token of a service account of Grafana",
}

// needs adds the variables that are needed and not set.
func (s *Settings) needs(env func(string) string, needed []string, faults strict.Faults) strict.Faults {
	if s.PagerDuty.Enabled && len(needed) > 0 && !slices.Contains(needed, "PAGERDUTY_ROUTING_KEY") {
		needed = append(slices.Clone(needed), "PAGERDUTY_ROUTING_KEY")
	}
	if s.PagerDuty.TestService != "" && len(needed) > 0 {
		needed = append(slices.Clone(needed), "PAGERDUTY_TEST_ROUTING_KEY")
	}
	if (s.PagerDuty.Service != "" || s.PagerDuty.TestService != "") && len(needed) > 0 {
		needed = append(slices.Clone(needed), "PAGERDUTY_API_TOKEN")
	}
	for _, name := range needed {
		if strings.TrimSpace(env(name)) == "" {
			text := name + " is not set"
			if what := whatFor[name]; what != "" {
				text += ": " + what
			}
			faults = append(faults, strict.Fault{File: environment, Text: text})
		}
	}
	return faults
}
