package incident

import (
	"context"
	"reflect"
	"slices"
)

// Hiding is a Log that says nothing secret: hide is given every text of the events that
// are appended, whoever wrote it, before it is stored. Identifiers, and what is kept as
// data for a program (a frozen plan, what a change replaces), stay as they are. An event
// that was stored before is not touched.
func Hiding(log Log, hide func(string) string) Log { return hiding{log, hide} }

type hiding struct {
	Log
	hide func(string) string
}

// Append hides, and appends.
func (h hiding) Append(ctx context.Context, w Write) (Written, error) {
	w.Events = slices.Clone(w.Events)
	for i, e := range w.Events {
		if e.Body == nil || e.raw != nil {
			continue
		}
		if body, ok := reflect.TypeAssert[Body](h.clean(reflect.ValueOf(e.Body))); ok {
			w.Events[i].Body = body
		}
	}
	return h.Log.Append(ctx, w)
}

// plain is what free text is kept as. Identifiers that matter have types of their own.
var plain = reflect.TypeFor[string]()

// clean is v with every text in it hidden. What v refers to is copied and not changed.
func (h hiding) clean(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == plain {
			return reflect.ValueOf(h.hide(v.String()))
		}
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(h.clean(v.Field(i)))
			}
		}
		return out
	case reflect.Pointer:
		if !v.IsNil() {
			out := reflect.New(v.Type().Elem())
			out.Elem().Set(h.clean(v.Elem()))
			return out
		}
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(h.clean(v.Index(i)))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for k, one := range v.Seq2() {
			out.SetMapIndex(h.clean(k), h.clean(one))
		}
		return out
	}
	return v
}
