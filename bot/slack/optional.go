package slack

import (
	"errors"

	"github.com/slack-go/slack"
)

// Parts of Slack that the bot works without.
const (
	featurePin   = "pin"
	featureTopic = "topic"
	featureHome  = "home"
)

// passing says that the same call may succeed another time: the answer was lost,
// or Slack is not well.
func passing(err error) bool {
	if err == nil {
		return false
	}
	switch code(err) {
	case "", "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org":
		return true
	}
	return false
}

// lacking says that a part of Slack will not work in this process, whatever the
// incident: a scope or a setting of the app is missing.
func lacking(err error) bool {
	switch code(err) {
	case "missing_scope", "no_permission", "permission_denied", "not_enabled", "restricted_action", "user_is_restricted",
		"not_allowed_token_type", "unknown_method", "access_denied", "team_access_not_granted", "enterprise_is_restricted",
		"method_not_supported_for_channel_type", "ekm_access_denied":
		return true
	}
	return false
}

// logOnce takes note that Slack refused a part that the bot works without. Each
// reason is logged once in a process.
func (b *Face) logOnce(part string, err error, says string) {
	b.mu.Lock()
	seen := b.shrugged[part+"/"+code(err)]
	b.shrugged[part+"/"+code(err)] = true
	if lacking(err) {
		b.without[part] = true
	}
	b.mu.Unlock()
	if seen {
		return
	}
	scope := "" // the one that is missing, if that is why
	if s, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		scope = s.Needed
	}
	b.log.Warn().Err(err).Str("scope", scope).Strs("why", reasons(err)).Msg(says)
}

// off says that a part does not work in this process.
func (b *Face) off(part string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.without[part]
}

// on says that there is a sign that a part works after all.
func (b *Face) on(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.without, part)
}
