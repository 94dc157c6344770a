package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configFile is read from the working directory when it is there.
const configFile = "micodata.yaml"

// configure fills the flags that were not given from the settings file, then
// from the environment. A setting of another command is fine in both; one that
// no command has is an error in the file.
func (a *app) configure(cmd *cobra.Command) error {
	k, err := a.loadFile()
	if err != nil {
		return err
	}
	known := knownSettings(cmd.Root())
	for key := range k.Raw() {
		if !known[key] {
			return usagef("%s: %q is no setting of micodata", a.configPath(), key)
		}
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		key, ours := strings.CutPrefix(name, envPrefix)
		if ours && !known[strings.ToLower(key)] {
			return usagef("environment variable %s: %q is no setting of micodata", name, strings.ToLower(key))
		}
	}
	var problem error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || problem != nil || f.Name == "help" || f.Name == "version" || f.Name == "config" {
			return
		}
		value, from := "", ""
		if key := strings.ReplaceAll(f.Name, "-", "_"); k.Exists(key) {
			value, from = fileValue(k.Get(key)), a.configPath()+": "+key
		} else if name := envName(f.Name); os.Getenv(name) != "" {
			value, from = os.Getenv(name), "environment variable "+name
		}
		if from == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			problem = usagef("%s: %s", from, flagProblem(err))
		}
	})
	if problem != nil {
		return problem
	}
	cmd.Flags().VisitAll(trimList)
	if f := a.global.logFormat; f != "text" && f != "json" {
		return usagef("--log-format is text or json, not %q", f)
	}
	return nil
}

// trimList takes the blanks around a list's elements away: people write "a, b".
func trimList(f *pflag.Flag) {
	list, ok := f.Value.(pflag.SliceValue)
	if !ok || !f.Changed {
		return
	}
	all := list.GetSlice()
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	_ = list.Replace(all) // of strings: it takes any
}

func (a *app) configPath() string {
	if a.global.config != "" {
		return a.global.config
	}
	return configFile
}

func (a *app) loadFile() (*koanf.Koanf, error) {
	if a.global.config == "" {
		a.global.config = os.Getenv(envName("config"))
	}
	k := koanf.New("\x00") // keys are flat
	err := k.Load(file.Provider(a.configPath()), yaml.Parser())
	if errors.Is(err, fs.ErrNotExist) && a.global.config == "" {
		return k, nil
	}
	if err != nil {
		return nil, usagef("settings file %s: %v", a.configPath(), err)
	}
	return k, nil
}

// knownSettings are the keys of all settings of all commands.
func knownSettings(root *cobra.Command) map[string]bool {
	known := map[string]bool{}
	note := func(f *pflag.Flag) { known[strings.ReplaceAll(f.Name, "-", "_")] = true }
	root.PersistentFlags().VisitAll(note)
	for _, c := range root.Commands() {
		c.Flags().VisitAll(note)
	}
	return known
}

// fileValue spells a YAML value as its flag would be: lists and maps with commas.
func fileValue(v any) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = fmt.Sprint(e)
		}
		return strings.Join(parts, ",")
	case map[string]any:
		var parts []string
		for key, e := range v {
			parts = append(parts, fmt.Sprintf("%s=%v", key, e))
		}
		sort.Strings(parts)
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(v)
}

const envPrefix = "MICODATA_"

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// bind makes a flag of every field of the struct that settings points to: named
// by its json tag with dashes, described by settingHelp, its present value the
// default. Embedded structs are bound in place.
func bind(flags *pflag.FlagSet, settings any) {
	eachField(reflect.ValueOf(settings).Elem(), func(key string, v reflect.Value) {
		name := strings.ReplaceAll(key, "_", "-")
		help, ok := settingHelp[key]
		if !ok {
			panic("setting " + key + " has no help text")
		}
		switch p := v.Addr().Interface().(type) {
		case *string:
			flags.StringVar(p, name, *p, help)
		case *bool:
			flags.BoolVar(p, name, *p, help)
		case *int:
			flags.IntVar(p, name, *p, help)
		case *int64:
			flags.Int64Var(p, name, *p, help)
		case *float64:
			flags.Float64Var(p, name, *p, help)
		case *time.Duration:
			flags.DurationVar(p, name, *p, help)
		case *[]string:
			flags.StringSliceVar(p, name, *p, help)
		case pflag.Value:
			flags.Var(p, name, help)
		default:
			panic(fmt.Sprintf("setting %s has type %s, which no flag can hold", key, v.Type()))
		}
	})
}

// adopt sets the fields whose flags were not given to what a dataset was frozen
// with, so that a later stage need not repeat them.
func adopt(flags *pflag.FlagSet, settings any, frozen map[string]any) error {
	var problem error
	eachField(reflect.ValueOf(settings).Elem(), func(key string, v reflect.Value) {
		old, ok := frozen[key]
		if f := flags.Lookup(strings.ReplaceAll(key, "_", "-")); !ok || f == nil || f.Changed || problem != nil {
			return
		}
		if err := assign(v.Addr().Interface(), old); err != nil {
			problem = fmt.Errorf("dataset.json: setting %s: %w", key, err)
		}
	})
	return problem
}

// assign sets the variable that p points to from a value out of JSON.
func assign(p, value any) error {
	if d, ok := p.(*time.Duration); ok {
		if text, ok := value.(string); ok {
			parsed, err := time.ParseDuration(text)
			*d = parsed
			return err
		}
	}
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, p)
}

func eachField(v reflect.Value, do func(key string, v reflect.Value)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			eachField(v.Field(i), do)
			continue
		}
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "" || key == "-" {
			continue
		}
		do(key, v.Field(i))
	}
}
