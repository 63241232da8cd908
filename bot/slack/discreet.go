package slack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/failoverbot/failoverbot/incident/text"
)

// discreet takes what must not be said out of each call to Slack before it leaves:
// messages, forms, the App Home, topics, and answers through a response_url. Whatever
// part of the bot put it in, it passes here.
type discreet struct {
	next    http.RoundTripper
	secrets *text.Secrets
}

// RoundTrip sends r without secrets; the token that says who calls stays. What is
// neither a form nor JSON is a file, whose secrets are taken out before its size is
// told.
func (d discreet) RoundTrip(r *http.Request) (*http.Response, error) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	var clean func([]byte) ([]byte, error)
	switch kind {
	case "application/x-www-form-urlencoded":
		clean = d.form
	case "application/json":
		clean = d.object
	default:
		return d.next.RoundTrip(r)
	}
	if r.Body == nil {
		return d.next.RoundTrip(r)
	}
	said, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, fmt.Errorf("read what is to be said: %w", err)
	}
	if said, err = clean(said); err != nil {
		return nil, fmt.Errorf("look through what is to be said: %w", err)
	}
	r = r.Clone(r.Context())
	r.ContentLength = int64(len(said))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(said)), nil }
	r.Body, _ = r.GetBody() // it cannot fail
	return d.next.RoundTrip(r)
}

// form is the arguments of a method; blocks and views among them are JSON.
func (d discreet) form(said []byte) ([]byte, error) {
	args, err := url.ParseQuery(string(said))
	if err != nil {
		return nil, err
	}
	changed := false
	for name, values := range args {
		if name == "token" {
			continue
		}
		for i, v := range values {
			hidden := d.secrets.Hide(v)
			if hidden == v {
				continue
			}
			if strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[") {
				object, err := d.object([]byte(v))
				if err != nil {
					return nil, err
				}
				hidden = string(object)
			}
			values[i], changed = hidden, true
		}
	}
	if !changed {
		return said, nil
	}
	return []byte(args.Encode()), nil
}

// object is JSON, whose strings alone are looked at: what stands around them has to
// stay JSON.
func (d discreet) object(said []byte) ([]byte, error) {
	if d.secrets.Hide(string(said)) == string(said) {
		return said, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(said))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return []byte(d.secrets.Hide(string(said))), nil //nolint:nilerr // no JSON after all: a text in brackets
	}
	return json.Marshal(d.values(value))
}

func (d discreet) values(v any) any {
	switch v := v.(type) {
	case string:
		return d.secrets.Hide(v)
	case []any:
		for i := range v {
			v[i] = d.values(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = d.values(v[k])
		}
	}
	return v
}
