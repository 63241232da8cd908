package player

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// What the rehearsal Slack says, as far as it matters here.
type (
	person struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	state struct {
		Seq        int                  `json:"seq"`
		Bot        person               `json:"bot"`
		Command    string               `json:"command"`
		People     []person             `json:"people"`
		Messages   map[string][]message `json:"messages"`
		Ephemerals []message            `json:"ephemerals"`
	}
	message struct {
		Channel  string           `json:"channel"`
		TS       string           `json:"ts"`
		User     string           `json:"user"`
		For      string           `json:"for"`
		Text     string           `json:"text"`
		Blocks   []map[string]any `json:"blocks"`
		Metadata struct {
			EventType    string         `json:"event_type"`
			EventPayload map[string]any `json:"event_payload"`
		} `json:"metadata"`
	}
	event struct {
		Seq     int      `json:"seq"`
		Type    string   `json:"type"`
		For     string   `json:"for"`
		Message *message `json:"message"`
		View    *window  `json:"view"`
	}
	batch struct {
		Events []event `json:"events"`
		Next   int     `json:"next"`
		Lost   bool    `json:"lost"`
	}
	window struct {
		ID   string `json:"id"`
		Body struct {
			Title struct {
				Text string `json:"text"`
			} `json:"title"`
			Blocks []map[string]any `json:"blocks"`
		} `json:"view"`
	}
	deed struct {
		As        string                    `json:"as"`
		Paced     bool                      `json:"paced"`
		Channel   string                    `json:"channel,omitempty"`
		Text      string                    `json:"text,omitempty"`
		MessageTS string                    `json:"message_ts,omitempty"`
		ViewID    string                    `json:"view_id,omitempty"`
		BlockID   string                    `json:"block_id,omitempty"`
		ActionID  string                    `json:"action_id,omitempty"`
		Value     string                    `json:"value,omitempty"`
		Confirmed bool                      `json:"confirmed,omitempty"`
		Values    map[string]map[string]any `json:"values,omitempty"`
	}
	outcome struct {
		OK     bool              `json:"ok"`
		Error  string            `json:"error"`
		Reason string            `json:"reason"`
		Errors map[string]string `json:"errors"`
		View   *window           `json:"view"`
	}
)

func (o outcome) said() string {
	if len(o.Errors) == 0 {
		return o.Reason
	}
	var parts []string
	for _, field := range slices.Sorted(maps.Keys(o.Errors)) {
		parts = append(parts, field+": "+o.Errors[field])
	}
	return strings.Join(parts, "; ")
}

func (w *window) title() string { return w.Body.Title.Text }

// values puts a form's texts where the window has fields of that name. An option
// can be given by its value or by its text.
func (w *window) values(form map[string]string) (values map[string]map[string]any, unused []string) {
	values = map[string]map[string]any{}
	for _, block := range w.Body.Blocks {
		id, _ := block["block_id"].(string)
		given, ok := form[id]
		element, isInput := block["element"].(map[string]any)
		if !ok || !isInput {
			continue
		}
		action, _ := element["action_id"].(string)
		values[id] = map[string]any{action: optionValue(element, given)}
	}
	for _, field := range slices.Sorted(maps.Keys(form)) {
		if _, ok := values[field]; !ok {
			unused = append(unused, field)
		}
	}
	return values, unused
}

func optionValue(element map[string]any, given string) string {
	options, _ := element["options"].([]any)
	for _, v := range options {
		o, _ := v.(map[string]any)
		text, _ := o["text"].(map[string]any)
		if value, _ := o["value"].(string); text["text"] == given {
			return value
		}
	}
	return given
}

func told(values map[string]map[string]any) string {
	var parts []string
	for _, field := range slices.Sorted(maps.Keys(values)) {
		for _, v := range values[field] {
			parts = append(parts, fmt.Sprintf("%s: %v", field, v))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (p *Player) everybody() string {
	var ids []string
	for _, person := range p.people {
		ids = append(ids, person.ID)
	}
	return strings.Join(ids, ",")
}

func (p *Player) state(ctx context.Context) (st state, err error) {
	return st, p.call(ctx, http.MethodGet, "state?as="+url.QueryEscape(p.everybody()), nil, &st)
}

func (p *Player) poll(ctx context.Context, after int, wait bool) (b batch, err error) {
	q := url.Values{"viewer": {p.name}, "as": {p.everybody()}, "after": {strconv.Itoa(after)}, "paced": {"1"}}
	if !wait {
		q.Set("wait", "0")
	}
	return b, p.call(ctx, http.MethodGet, "events?"+q.Encode(), nil, &b)
}

// leave tells the rehearsal Slack not to wait for this reader any more.
func (p *Player) leave() {
	_ = p.call(context.Background(), http.MethodPost, "leave?viewer="+p.name, nil, nil) // it notices by itself, later
}

func (p *Player) deed(ctx context.Context, verb string, d deed) (out outcome, err error) {
	d.Paced = true
	return out, p.call(ctx, http.MethodPost, verb, d, &out)
}

func (p *Player) call(ctx context.Context, method, path string, body, into any) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode a call to the rehearsal Slack: %w", err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, r)
	if err != nil {
		return fmt.Errorf("call the rehearsal Slack: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.http.Do(req)
	if err != nil {
		return fmt.Errorf("call the rehearsal Slack: %w", err)
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the rehearsal Slack's answer (%s): %w", resp.Status, err)
	}
	return nil
}
