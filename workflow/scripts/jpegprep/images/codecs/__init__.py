"""The codecs of stores, a module each; `registry` knows them all."""
