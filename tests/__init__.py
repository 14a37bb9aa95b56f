"""The tests of Fieldcheck: they mirror the folders of the code, and reach no network beyond this machine."""
