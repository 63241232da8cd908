package slacksim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// apiError is a refusal in Slack's words.
type apiError struct {
	code     string
	messages []string       // response_metadata.messages: what exactly is wrong
	more     map[string]any // what else the answer says
}

func (e *apiError) Error() string {
	if len(e.messages) == 0 {
		return e.code
	}
	return e.code + ": " + strings.Join(e.messages, "; ")
}

func refuse(code string, messages ...string) error { return &apiError{code: code, messages: messages} }

// call is one call of a Web API method.
type call struct {
	method string
	args   map[string]any
	host   string // as the caller reached us
}

func (c *call) str(name string) string {
	switch v := c.args[name].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func (c *call) flag(name string) bool {
	v := c.str(name)
	return v == "1" || v == "true"
}

// value returns an argument that is JSON: an object of a JSON body as it is, or
// the text of a form field decoded.
func (c *call) value(name string) (v any, given bool, err error) {
	v, given = c.args[name]
	text, isText := v.(string)
	if !isText {
		return v, given && v != nil, nil
	}
	if strings.TrimSpace(text) == "" {
		return nil, false, nil
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, true, fmt.Errorf("decode %s: %w", name, err)
	}
	return v, v != nil, nil
}

type tokenKind int

const (
	botToken tokenKind = iota
	appToken
)

type method struct {
	token tokenKind
	tier  tier
	scope string // what the bot token needs, see needs; empty: nothing
	do    func(*Server, *call) (map[string]any, error)
}

// methods are the Web API methods that exist here. The tiers and scopes are those
// of Slack's reference, except where the comment says why not.
func methods() map[string]method {
	return map[string]method{
		// Slack says tier 1, which is one a minute. slack-go waits for a refusal
		// in real time, which would stop a rehearsal at top speed, so reconnecting
		// is allowed more often.
		"apps.connections.open": {appToken, tierConnect, "", (*Server).connectionsOpen},

		"auth.test":                    {botToken, tierSpecial, "", (*Server).authTest},
		"api.test":                     {botToken, tierSpecial, "", (*Server).apiTest},
		"chat.postMessage":             {botToken, tierPost, "chat:write", (*Server).postMessage},
		"chat.postEphemeral":           {botToken, tier4, "chat:write", (*Server).postEphemeral},
		"chat.update":                  {botToken, tier3, "chat:write", (*Server).updateMessage},
		"chat.delete":                  {botToken, tier3, "chat:write", (*Server).deleteMessage},
		"chat.getPermalink":            {botToken, tierSpecial, "", (*Server).permalink},
		"conversations.history":        {botToken, tier3, "channels:history", (*Server).history},
		"conversations.replies":        {botToken, tier3, "channels:history", (*Server).replies},
		"conversations.info":           {botToken, tier3, "channels:read", (*Server).channelInfo},
		"conversations.list":           {botToken, tier2, "channels:read", (*Server).channelList},
		"conversations.join":           {botToken, tier3, "channels:join", (*Server).channelJoin},
		"conversations.setTopic":       {botToken, tier2, "channels:manage|channels:write.topic", (*Server).setTopic},
		"conversations.create":         {botToken, tier2, "channels:manage", (*Server).channelCreate},
		"conversations.invite":         {botToken, tier3, "channels:manage|channels:write.invites", (*Server).channelInvite},
		"conversations.kick":           {botToken, tier3, "channels:manage", (*Server).channelKick},
		"conversations.leave":          {botToken, tier3, "channels:manage", (*Server).channelLeave},
		"conversations.archive":        {botToken, tier2, "channels:manage", (*Server).channelArchive},
		"conversations.members":        {botToken, tier4, "channels:read", (*Server).channelMembers},
		"conversations.open":           {botToken, tier3, "im:write", (*Server).openDirect},
		"users.conversations":          {botToken, tier3, "channels:read", (*Server).userChannels},
		"users.info":                   {botToken, tier4, "users:read", (*Server).userInfo},
		"users.list":                   {botToken, tier2, "users:read", (*Server).userList},
		"users.lookupByEmail":          {botToken, tier3, "users:read.email", (*Server).userByEmail},
		"users.getPresence":            {botToken, tier3, "users:read", (*Server).presence},
		"views.open":                   {botToken, tier4, "", (*Server).viewsOpen},
		"views.push":                   {botToken, tier4, "", (*Server).viewsPush},
		"views.update":                 {botToken, tier4, "", (*Server).viewsUpdate},
		"views.publish":                {botToken, tier4, "", (*Server).viewsPublish},
		"files.getUploadURLExternal":   {botToken, tier4, "files:write", (*Server).uploadURL},
		"files.completeUploadExternal": {botToken, tier4, "files:write", (*Server).completeUpload},
		"files.info":                   {botToken, tier4, "files:read", (*Server).fileInfo},
		"pins.add":                     {botToken, tier2, "pins:write", (*Server).pinAdd},
		"pins.remove":                  {botToken, tier2, "pins:write", (*Server).pinRemove},
		"pins.list":                    {botToken, tier2, "pins:read", (*Server).pinList},
		"bookmarks.add":                {botToken, tier2, "bookmarks:write", (*Server).bookmarkAdd},
		"bookmarks.edit":               {botToken, tier2, "bookmarks:write", (*Server).bookmarkEdit},
		"bookmarks.remove":             {botToken, tier2, "bookmarks:write", (*Server).bookmarkRemove},
		"bookmarks.list":               {botToken, tier3, "bookmarks:read", (*Server).bookmarkList},
		"usergroups.list":              {botToken, tier2, "usergroups:read", (*Server).groupList},
		"usergroups.users.list":        {botToken, tier2, "usergroups:read", (*Server).groupUsers},
		"reactions.add":                {botToken, tier3, "reactions:write", (*Server).reactionAdd},
	}
}

const maxBody = 1 << 20

// api answers /api/<method>.
func (s *Server) api(table map[string]method) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/api/")
		t := Trace{Kind: "api", Method: name, Status: http.StatusOK}
		var c *call
		began := s.real.Now()
		defer func() {
			t.Time, t.WallMS = stamp(s.clock.Now()), ms(s.real.Now().Sub(began))
			if c == nil {
				s.trace.add(t, nil)
				return
			}
			s.trace.add(t, c.args)
		}()
		answer := func(w http.ResponseWriter, out map[string]any, err error) {
			if err != nil {
				t.Error = err.Error()
			}
			answer(w, out, err)
		}
		if s.Away() {
			t.Status, t.Error = http.StatusServiceUnavailable, "Slack is away"
			http.Error(w, "Slack is away", t.Status)
			return
		}
		m, ok := table[name]
		if !ok {
			answer(w, nil, refuse("unknown_method"))
			return
		}
		args, err := arguments(w, r)
		if err != nil {
			answer(w, nil, err)
			return
		}
		c = &call{method: name, args: args, host: r.Host}
		if err := s.authorise(r, c, m.token); err != nil {
			answer(w, nil, err)
			return
		}
		if err := s.permitted(m.scope, c); err != nil {
			answer(w, nil, err)
			return
		}
		if wait := s.limit(m.tier, c); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(wait))
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			t.Status, t.Error = http.StatusTooManyRequests, "ratelimited"
			w.WriteHeader(t.Status)
			_, _ = io.WriteString(w, `{"ok":false,"error":"ratelimited"}`)
			return
		}
		out, err := m.do(s, c)
		answer(w, out, err)
	}
}

func answer(w http.ResponseWriter, out map[string]any, err error) {
	if out == nil {
		out = map[string]any{}
	}
	out["ok"] = err == nil
	if err != nil {
		refusal, ok := errors.AsType[*apiError](err)
		if !ok {
			refusal = &apiError{code: "invalid_arguments", messages: []string{"[ERROR] " + err.Error()}}
		}
		maps.Copy(out, refusal.more)
		out["error"] = refusal.code
		if len(refusal.messages) > 0 {
			out["response_metadata"] = map[string]any{"messages": refusal.messages}
		}
	}
	writeJSON(w, http.StatusOK, out)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader hung up
}

// arguments reads a call's arguments from the query, a form or a JSON body.
func arguments(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	args := map[string]any{}
	addForm := func(v url.Values) {
		for k := range v {
			args[k] = v.Get(k)
		}
	}
	addForm(r.URL.Query())
	if r.Method == http.MethodGet {
		return args, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && r.Header.Get("Content-Type") != "" {
		return nil, refuse("invalid_post_type")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, refuse("request_timeout", "[ERROR] the body is larger than 1 MB or broke off")
	}
	switch kind {
	case "application/json":
		if len(body) == 0 {
			return args, nil
		}
		if err := json.Unmarshal(body, &args); err != nil {
			return nil, refuse("invalid_json")
		}
	case "application/x-www-form-urlencoded", "":
		v, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, refuse("invalid_form_data")
		}
		addForm(v)
	default:
		return nil, refuse("invalid_post_type")
	}
	return args, nil
}

func (s *Server) authorise(r *http.Request, c *call, want tokenKind) error {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		token = c.str("token")
	}
	token = strings.TrimSpace(token)
	delete(c.args, "token")
	switch {
	case token == "":
		return refuse("not_authed")
	case token == s.opt.BotToken && want == botToken, token == s.opt.AppToken && want == appToken:
		return nil
	case token == s.opt.BotToken, token == s.opt.AppToken:
		return refuse("not_allowed_token_type")
	}
	return refuse("invalid_auth")
}

func (s *Server) authTest(*call) (map[string]any, error) {
	return map[string]any{
		"url": s.URL(), "team": "Rehearsal", "user": s.opt.BotName,
		"team_id": TeamID, "user_id": BotUserID, "bot_id": BotID, "is_enterprise_install": false,
	}, nil
}

func (s *Server) apiTest(c *call) (map[string]any, error) {
	if e := c.str("error"); e != "" {
		return nil, refuse(e)
	}
	return map[string]any{"args": c.args}, nil
}

func asRefusal(err error) (*apiError, bool) { return errors.AsType[*apiError](err) }
