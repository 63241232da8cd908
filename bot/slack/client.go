package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Settings say how Slack is reached.
type Settings struct {
	// BotToken (xoxb-…) is for the Web API, AppToken (xapp-…) for Socket Mode.
	// Both have to be given.
	BotToken, AppToken string
	// APIURL points elsewhere than at Slack; empty means Slack.
	APIURL string
	// HTTPTimeout bounds each call; 20 seconds when zero.
	HTTPTimeout time.Duration
	// Secrets are what is never said, to whomever; nil knows their shapes alone.
	Secrets *text.Secrets
}

// Client is a Slack that has been found to know both tokens. It keeps to Slack's
// rates by itself: a call waits its turn on the clock.
type Client struct {
	api   *slack.Client
	http  *http.Client
	clock incident.Clock
	log   zerolog.Logger
	pace  *pacer
	// secrets are taken out of all that is said.
	secrets *text.Secrets

	// User is the bot's own user id; Team is the workspace's name, TeamID its id, and
	// EnterpriseID the organisation's, empty where there is none.
	User, Team, TeamID, EnterpriseID string
}

// handshake bounds opening a WebSocket.
const handshake = 15 * time.Second

// Dial asks Slack whether both tokens are good, and returns a sentence that says
// what to change when they are not.
func Dial(ctx context.Context, s Settings, clock incident.Clock, log zerolog.Logger) (*Client, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.HTTPTimeout == 0 {
		s.HTTPTimeout = 20 * time.Second
	}
	if s.APIURL == "" {
		s.APIURL = slack.APIURL
	}
	if !strings.HasSuffix(s.APIURL, "/") {
		s.APIURL += "/"
	}
	c := &Client{clock: clock, log: log, pace: newPacer(clock), secrets: s.Secrets}
	c.http = &http.Client{Transport: discreet{bounded{transport(s.HTTPTimeout), s.HTTPTimeout}, s.Secrets}}
	c.api = slack.New(s.BotToken,
		slack.OptionAppLevelToken(s.AppToken),
		slack.OptionAPIURL(s.APIURL),
		slack.OptionHTTPClient(c.http),
	)
	var who *slack.AuthTestResponse
	var err, appErr error
	incident.Together(clock, 2, func(i int) {
		if i == 1 {
			appErr = c.tryApp(ctx)
			return
		}
		err = c.call(ctx, "auth.test", "", func(ctx context.Context) (err error) {
			who, err = c.api.AuthTestContext(ctx)
			return err
		})
	})
	if err != nil {
		return nil, tokenError("SLACK_BOT_TOKEN", "xoxb-", s.APIURL, err)
	}
	c.User, c.Team, c.TeamID, c.EnterpriseID = who.UserID, who.Team, who.TeamID, who.EnterpriseID
	if appErr != nil {
		return nil, tokenError("SLACK_APP_TOKEN", "xapp-", s.APIURL, appErr)
	}
	return c, nil
}

// tryApp asks for the address of a Socket Mode connection and leaves it unused:
// so it is known that the app token is good and that Socket Mode is on. It is not
// opened, because Slack might hand a click to it, which would be lost.
func (c *Client) tryApp(ctx context.Context) error {
	return c.call(ctx, "apps.connections.open", "", func(ctx context.Context) error {
		_, _, err := c.api.StartSocketModeContext(ctx)
		return err
	})
}

// Refused says that an error of Dial or Run is about a token, so that trying again
// is of no use before somebody changes it: Slack answered and refused it, or it
// cannot be one. When Slack could not be reached, or is not well, it is false.
func Refused(err error) bool { return errors.Is(err, errToken) || fatalAuth(err) }

var errToken = errors.New("the tokens cannot be what they should be")

func (s Settings) check() error {
	var faults []error
	one := func(name, token, prefix, other, otherName string) {
		switch {
		case token == "":
			faults = append(faults, fmt.Errorf("%s is empty: give it the token that begins with %s", name, prefix))
		case strings.HasPrefix(token, other):
			faults = append(faults, fmt.Errorf("%s holds %s (%s…): swap it with %s", name, kindOf(other), other, otherName))
		case !strings.HasPrefix(token, prefix):
			faults = append(faults, fmt.Errorf("%s does not begin with %s: it is not %s", name, prefix, kindOf(prefix)))
		}
	}
	one("SLACK_BOT_TOKEN", s.BotToken, "xoxb-", "xapp-", "SLACK_APP_TOKEN")
	one("SLACK_APP_TOKEN", s.AppToken, "xapp-", "xoxb-", "SLACK_BOT_TOKEN")
	if len(faults) == 0 {
		return nil
	}
	return badTokens{errors.Join(faults...)}
}

// badTokens are faults of the settings that no call is needed to see.
type badTokens struct{ error }

// Is makes it one of errToken without changing what it says.
func (badTokens) Is(target error) bool { return target == errToken }

func kindOf(prefix string) string {
	if prefix == "xapp-" {
		return "an app-level token"
	}
	return "a bot token"
}

// tokenError says what to do about a token that Slack refused.
func tokenError(name, prefix, url string, err error) error {
	switch code(err) {
	case "not_allowed_token_type":
		return fmt.Errorf("%s holds a token of the wrong kind; it takes the one that begins with %s: swap it with the other one: %w", name, prefix, err)
	case "invalid_auth", "not_authed", "token_expired":
		return fmt.Errorf("%s is not a token that Slack knows: copy it again from the app's page: %w", name, err)
	case "token_revoked", "account_inactive":
		return fmt.Errorf("%s was revoked, or the app was removed from the workspace: install the app again and copy the new token: %w", name, err)
	case "missing_scope", "no_permission":
		return fmt.Errorf("%s lacks a scope (deploy/slack-manifest.yaml lists them; an app-level token needs connections:write): %w", name, err)
	case "":
		return fmt.Errorf("reach Slack at %s to check %s: %w", text.Address(url), name, withoutSecrets{err})
	}
	return fmt.Errorf("check %s: %w", name, err)
}

// fatalAuth says that trying again with this token is of no use.
func fatalAuth(err error) bool {
	switch code(err) {
	case "invalid_auth", "account_inactive", "not_authed", "token_revoked", "token_expired",
		"not_allowed_token_type", "missing_scope", "no_permission", "team_access_not_granted":
		return true
	}
	var status slack.StatusCodeError
	return errors.As(err, &status) && status.Code == http.StatusNotFound
}

// code is Slack's own word for an error, "" if it is not one of Slack's.
func code(err error) string {
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return e.Err
	}
	return ""
}

// refused says that the message itself was not to Slack's taste, so that sending
// the same again is of no use.
func refused(err error) bool {
	switch code(err) {
	case "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text",
		"invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large", "too_many_attachments", "invalid_arguments":
		return true
	}
	return false
}

// barred says that this will not work until somebody changes something at Slack.
func barred(err error) bool {
	switch code(err) {
	case "channel_not_found", "not_in_channel", "is_archived", "missing_scope", "restricted_action",
		"cant_update_message", "edit_window_closed", "no_permission":
		return true
	}
	return fatalAuth(err)
}

// mostCalls is how many calls may be under way when everybody asks at once.
const mostCalls = 100

// bounded ends a call that takes too long, by the machine's clock: it is about sockets,
// and a reconnect of slack-go asks for its address without any deadline of its own. An
// http.Client with a Timeout keeps two goroutines more for each call.
type bounded struct {
	next   http.RoundTripper
	within time.Duration
}

// RoundTrip sends r. The time is over for the answer's body too.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, done := incident.RealClock{}.WithTimeout(r.Context(), b.within, fmt.Errorf("no answer from Slack within %s: %w", b.within, context.DeadlineExceeded))
	resp, err := b.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		done()
		return nil, err
	}
	resp.Body = body{resp.Body, done}
	return resp, nil
}

// body is an answer's, whose time is no longer counted once it is closed.
type body struct {
	io.ReadCloser
	done func()
}

// Close closes the body.
func (b body) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

func transport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: timeout / 2, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          mostCalls,
		MaxIdleConnsPerHost:   mostCalls,
		MaxConnsPerHost:       mostCalls,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   timeout / 2,
		ResponseHeaderTimeout: timeout,
	}
}

// dialer opens WebSockets that do not outlive a silence: see wire.
func dialer() *websocket.Dialer {
	return &websocket.Dialer{
		Proxy:            http.ProxyFromEnvironment,
		HandshakeTimeout: handshake,
		// Above Slack's 20 KB limit for acknowledgements, so that none is split.
		WriteBufferSize: 32 << 10,
		NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: handshake}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return wire{conn}, nil
		},
	}
}

// Close gives idle connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// withoutSecrets is an error that may quote the address that was called, whose user,
// password and query are nobody's business.
type withoutSecrets struct{ error }

// Error shows the address as it may be shown.
func (w withoutSecrets) Error() string { return text.Addresses(w.error.Error()) }

// Unwrap is the error as it was.
func (w withoutSecrets) Unwrap() error { return w.error }
