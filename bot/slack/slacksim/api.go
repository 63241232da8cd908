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
	host   string  // as the caller reached us
	at     Channel // that the call is about, once it was found; of a direct message only the ID
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
		if err := s.authorise(r, c, m.app); err != nil {
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
		s.mu.Lock()
		err = s.ready(m, c)
		var out map[string]any
		if err == nil {
			out, err = m.do(s, c)
		}
		s.mu.Unlock()
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
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			return nil, refuse("invalid_json")
		}
		given, ok := v.(map[string]any)
		if !ok {
			return nil, refuse("json_not_object")
		}
		maps.Copy(args, given)
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

func (s *Server) authorise(r *http.Request, c *call, app bool) error {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		token = c.str("token")
	}
	token = strings.TrimSpace(token)
	delete(c.args, "token")
	switch {
	case token == "":
		return refuse("not_authed")
	case token == s.opt.BotToken && !app, token == s.opt.AppToken && app:
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
