package incident

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/failoverbot/failoverbot/incident/text"
)

var noon = time.Date(2026, 3, 3, 12, 0, 0, 123456789, time.UTC)

// filled is a body of that type with something in every field.
func filled(t *testing.T, read func([]byte) (Body, error)) Body {
	t.Helper()
	zero, err := read([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.New(reflect.TypeOf(zero)).Elem()
	n := 0
	fill(t, v, &n)
	return v.Interface().(Body)
}

func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(noon.Add(time.Duration(*n) * time.Second)))
		return
	case json.RawMessage:
		v.SetBytes([]byte(`{"steps":[{"id":"promote","n":12345678901234567890}]}`))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text " + string(rune('a'+*n)) + ` "quoted" <b> & — ü`)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) / 8)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Uint64:
		v.SetUint(1<<63 + uint64(*n)) // more than a float holds
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{"lag", "cluster"} {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(t, value, n)
			v.SetMapIndex(reflect.ValueOf(key), value)
		}
	default:
		t.Fatalf("%s: this test cannot fill a %s", v.Type(), v.Kind())
	}
}

// fields are the keys of a JSON object.
func fields(t *testing.T, data []byte) map[string]json.RawMessage {
	t.Helper()
	var out map[string]json.RawMessage
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return out
}

func TestEveryTypeOfEventComesBackAsItWasWritten(t *testing.T) {
	for name, read := range bodies {
		t.Run(name, func(t *testing.T) {
			empty, err := read([]byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range []Body{filled(t, read), empty} {
				want := Event{
					Seq: 7, Time: noon, Actor: "alice", Via: &Via{Face: "slack", ID: "U0ALICE"}, Run: "failover-1",
					Prev: "00112233445566778899aabbccddeeff", Restored: 5, Body: b,
				}
				data, err := json.Marshal(want)
				if err != nil {
					t.Fatal(err)
				}
				var got Event
				if err := json.Unmarshal(data, &got); err != nil {
					t.Fatal(err)
				}
				if p, ok := got.Body.(RunBegun); ok && string(p.Plan) == "null" { // so an empty plan is written
					p.Plan = nil
					got.Body = p
				}
				if !bytes.Equal(got.raw, data) || got.digest != digestOf(data) {
					t.Errorf("it keeps the bytes %s, was read from %s", got.raw, data)
				}
				got.raw, got.digest = nil, ""
				if !reflect.DeepEqual(got, want) {
					t.Errorf("it came back as\n%+v, was\n%+v", got, want)
				}
			}
		})
	}
}

func TestAnEventIsOneFlatObject(t *testing.T) {
	for name, read := range bodies {
		t.Run(name, func(t *testing.T) {
			b := filled(t, read)
			if b.Type() != name {
				t.Errorf("it calls itself %q", b.Type())
			}
			raw, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			own := fields(t, raw)
			data, err := json.Marshal(Event{
				Seq: 7, Time: noon, Actor: "alice", Via: &Via{Face: "slack", ID: "U0ALICE"}, Run: "failover-1", Prev: "0011", Restored: 5, Body: b,
			})
			if err != nil {
				t.Fatal(err)
			}
			all := fields(t, data)
			for key, want := range map[string]string{
				"seq": "7", "time": `"2026-03-03T12:00:00.123456789Z"`, "type": `"` + name + `"`, "actor": `"alice"`,
				"via": `{"face":"slack","id":"U0ALICE"}`, "run": `"failover-1"`, "prev": `"0011"`, "restored": "5",
			} {
				if _, taken := own[key]; taken {
					t.Errorf("its own field %q hides the event's", key)
				}
				if string(all[key]) != want {
					t.Errorf("%s is %s, want %s", key, all[key], want)
				}
				delete(all, key)
			}
			if !maps.EqualFunc(all, own, func(a, b json.RawMessage) bool { return bytes.Equal(a, text.JSON(b)) }) {
				t.Errorf("beside the event's own fields it has %s, want %s", data, raw)
			}
		})
	}
}

// A type that has Type() and is not in bodies would be written and never read.
func TestEveryBodyCanBeRead(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "events.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "Type" && f.Recv != nil {
			if name := f.Recv.List[0].Type.(*ast.Ident).Name; name != "Unknown" {
				declared = append(declared, name)
			}
		}
	}
	slices.Sort(declared)
	if known := slices.Sorted(maps.Keys(bodies)); !slices.Equal(known, declared) {
		t.Errorf("readable are %v, declared are %v", known, declared)
	}
}

func TestTimesAreWrittenInUTC(t *testing.T) {
	there := time.FixedZone("somewhere", -7*3600)
	data, err := json.Marshal(Event{Seq: 1, Time: noon.In(there), Body: RunResumed{}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"seq":1,"time":"2026-03-03T12:00:00.123456789Z","type":"RunResumed","format":2}`; string(data) != want {
		t.Errorf("written %s, want %s", data, want)
	}
}

func TestAnUnknownEventIsCarriedByteForByte(t *testing.T) {
	for _, raw := range []string{
		`{"seq":9,"time":"2026-03-03T12:00:00Z","type":"OrbitChanged","actor":"U0ALICE","height":12345678901234567890}`,
		`{ "type" : "OrbitChanged", "height" : 1e400, "seq":9, "note": "<b> \u0026 \/" , "time":"2026-03-03T12:00:00.000Z" }`,
		`{"seq":9,"time":"2026-03-03T12:00:00Z","type":"OrbitChanged","deep":{"b":1,"a":[null, true]},"a":1,"a":2}`,
	} {
		data := []byte(raw)
		var e Event
		if err := e.UnmarshalJSON(data); err != nil {
			t.Fatal(err)
		}
		clear(data) // whoever read it uses the buffer again
		if u, ok := e.Body.(Unknown); !ok || u.Type() != "OrbitChanged" || e.Seq != 9 || !e.Time.Equal(noon.Truncate(time.Second)) {
			t.Errorf("%s was read as %+v", raw, e)
		}
		again, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != raw {
			t.Errorf("written again as\n%s, was\n%s", again, raw)
		}
	}
}

func TestFieldsOfALaterVersionSurvive(t *testing.T) {
	for name, read := range bodies {
		data, err := json.Marshal(Event{Seq: 7, Time: noon, Actor: Bot, Body: filled(t, read)})
		if err != nil {
			t.Fatal(err)
		}
		more := append([]byte(`{"mood":"calm","later":{"deep":[1]},`), data[1:]...)
		var e Event
		if err := json.Unmarshal(more, &e); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, more) {
			t.Errorf("%s with more fields is written again as\n%s, was\n%s", name, again, more)
		}
		if want := filled(t, read); !reflect.DeepEqual(e.Body, want) {
			t.Errorf("%s with more fields is read as %+v, want %+v", name, e.Body, want)
		}
	}
}

func TestATimelineFromBeforeRunsIsRefusedWithOneSentence(t *testing.T) {
	const old = `{"seq":1,"time":"2026-03-03T14:00:48Z","type":"IncidentDeclared","actor":"U0ALICE","incident":"INC-2026-0001","source":"us-east-1"}`
	var e Event
	err := e.UnmarshalJSON([]byte(old))
	if !errors.Is(err, ErrFormat) || strings.Contains(err.Error(), "\n") {
		t.Errorf("read with %v", err)
	}
}

func TestAnEventWithoutABodyIsNotWritten(t *testing.T) {
	data, err := json.Marshal(Event{Seq: 42, Time: noon, Actor: Bot})
	if err == nil || !strings.Contains(err.Error(), "42") {
		t.Errorf("written as %q, %v: want an error that names event 42", data, err)
	}
}

func TestWhatIsNoEventIsRefused(t *testing.T) {
	for raw, says := range map[string]string{
		`{"seq":3,"type":"StepStarted","attempt":"two"}`: "event 3 (StepStarted)",
		`{"seq":3,"type":"RunTaken","token":-1}`:         "event 3 (RunTaken)",
		`{"seq":"x","type":"RunTaken"}`:                  "read event",
		`{"seq":1,"time":"yesterday","type":"Unheard"}`:  "read event",
		`["StepStarted"]`:                                "read event",
	} {
		var e Event
		if err := json.Unmarshal([]byte(raw), &e); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s was read as %+v, %v: want an error with %q", raw, e, err, says)
		}
	}
}

// A timeline is looked at with cat, and what people typed must not steer the terminal.
func TestAnEventKeepsWhatSteersATerminalAsEscapes(t *testing.T) {
	typed := "\u009b2J\u202eevil\u2066 \x1b[31m\x7f"
	e := Event{Seq: 2, Time: time.Unix(0, 0), Actor: "alice", Body: NoteAdded{Text: typed}}
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range string(data) {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Errorf("%U stands raw in %q", r, data)
		}
	}
	var back Event
	if err := json.Unmarshal(data, &back); err != nil || back.Body.(NoteAdded).Text != typed {
		t.Errorf("it reads back as %+v (%v)", back, err)
	}
}
